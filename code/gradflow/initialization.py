"""Initialisations of recurrent weights that ``torch.nn.init`` lacks.

All work in place and return their argument. Matrices may be stacked: ``(…, H, H)``. LSTM and GRU functions take
``torch.nn.LSTM`` and ``torch.nn.GRU`` as well as their parallel twins of ``gradflow.recurrent``: the parameters
bear the same names, and leading dimensions are networks.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn

from gradflow._validation import (
    require_count,
    require_floats,
    require_generator,
    require_module,
    require_number,
    require_positive,
)


@torch.no_grad()
def identity_(W: Tensor, gain: float = 1.0) -> Tensor:
    """Fill each matrix of ``W (…, H, H)`` with ``gain`` times the identity.

    Raises:
        ValueError: the last two dimensions differ, or ``gain`` is not finite.

    Source: Le, Jaitly, Hinton 2015.
    """
    _require_square_shape("W", W)
    eye = torch.eye(W.shape[-1], dtype=W.dtype, device=W.device)
    return W.copy_(require_number("gain", gain, W.dtype) * eye)


@torch.no_grad()
def orthogonal_(W: Tensor, gain: float = 1.0, *, generator: Generator) -> Tensor:
    """Fill each matrix of ``W (…, H, H)`` with ``gain`` times an independent random orthogonal matrix.

    The same as ``torch.nn.init.orthogonal_`` matrix by matrix; on a stack that function would orthogonalise
    one tall matrix and leave its square blocks far from orthogonal.

    Raises:
        ValueError: the last two dimensions differ, ``W`` is neither float32 nor float64, or ``gain`` is not positive.

    Source: Saxe, McClelland, Ganguli 2014.
    """
    _require_square_shape("W", W)
    if W.dtype not in (torch.float32, torch.float64):  # torch factorises no other type
        raise ValueError(f"W: expected float32 or float64, got {W.dtype}")
    require_positive("gain", gain, W.dtype)
    require_generator(generator)
    if W.ndim == 2:
        return nn.init.orthogonal_(W, gain, generator=generator)
    for matrices in W:
        orthogonal_(matrices, gain, generator=generator)
    return W


def orthogonal_gates_(cell: nn.Module, gain: float = 1.0, *, generator: Generator) -> nn.Module:
    """Make each gate's hidden-to-hidden matrix of an LSTM or a GRU orthogonal on its own.

    PyTorch keeps the gates in one ``(4H, H)`` or ``(3H, H)`` matrix, and ``torch.nn.init.orthogonal_`` on it
    gives orthonormal columns of the tall matrix, not orthogonal H×H blocks.

    Raises:
        ValueError: ``cell`` has no ``weight_hh`` parameter with square blocks.
    """
    for weight in _parameters("cell", cell, "weight_hh"):
        hidden = weight.shape[-1]
        if weight.shape[-2] not in (3 * hidden, 4 * hidden):
            raise ValueError(f"cell: expected weight_hh of an LSTM or a GRU, got shape {tuple(weight.shape)}")
        orthogonal_(weight.unflatten(-2, (-1, hidden)), gain, generator=generator)
    return cell


@torch.no_grad()
def forget_bias_(lstm: nn.Module, value: float) -> nn.Module:
    """Set the forget-gate bias of an LSTM: the sum of PyTorch's two biases becomes ``value`` in every unit.

    Raises:
        ValueError: ``lstm`` is not an LSTM, or ``value`` is not finite.

    Source: Gers, Schmidhuber, Cummins 2000; Jozefowicz, Zaremba, Sutskever 2015.
    """
    for total, other in _lstm_biases(lstm):
        _gate(total, 1).fill_(require_number("value", value, total.dtype))
        _gate(other, 1).zero_()
    return lstm


@torch.no_grad()
def chrono_(lstm: nn.Module, max_lag: int, *, generator: Generator) -> nn.Module:
    """Spread the memories of an LSTM's units over 1…``max_lag`` steps.

    The sum of the two forget biases is ``log U(1, max_lag - 1)`` per unit, the sum of the input biases its
    opposite; the biases of the other two gates become zero.

    Args:
        lstm: ``torch.nn.LSTM`` or ``gradflow.recurrent.ParallelLSTM``.
        max_lag: longest dependency expected, in steps, at least 3.
        generator: source of randomness.

    Raises:
        ValueError: ``lstm`` is not an LSTM, or ``max_lag`` is below 3.

    Source: Tallec, Ollivier 2018.
    """
    require_count("max_lag", max_lag, minimum=3)
    require_generator(generator)
    for total, other in _lstm_biases(lstm):
        total.zero_()
        other.zero_()
        forget = _gate(total, 1).uniform_(1.0, float(max_lag - 1), generator=generator).log_()
        _gate(total, 0).copy_(-forget)
    return lstm


def _require_square_shape(name: str, W: Tensor) -> None:
    # The values are about to be overwritten, so they may be anything.
    require_floats(name, W)
    if W.ndim < 2 or W.shape[-1] != W.shape[-2] or W.numel() == 0:
        raise ValueError(f"{name}: expected square matrices (…, H, H), got shape {tuple(W.shape)}")


def _parameters(name: str, cell: nn.Module, prefix: str) -> list[nn.Parameter]:
    parameters = require_module(name, cell).named_parameters()
    found = [parameter for key, parameter in parameters if key.startswith(prefix)]
    if not found or any(parameter.ndim < 1 + (prefix == "weight_hh") for parameter in found):
        raise ValueError(f"{name}: expected a module with {prefix} parameters, got {type(cell).__name__}")
    return found


def _lstm_biases(lstm: nn.Module) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
    """Pairs (bias_ih, bias_hh) of each layer, each of shape (…, 4H)."""
    pairs = zip(_parameters("lstm", lstm, "bias_ih"), _parameters("lstm", lstm, "bias_hh"), strict=True)
    for (total, other), weight in zip(pairs, _parameters("lstm", lstm, "weight_hh"), strict=True):
        if weight.shape[-2] != 4 * weight.shape[-1]:
            raise ValueError(f"lstm: expected four gates, got weight_hh of shape {tuple(weight.shape)}")
        yield total, other


def _gate(bias: Tensor, number: int) -> Tensor:
    """The part of a bias (…, 4H) that belongs to one gate of PyTorch's order i, f, g, o."""
    hidden = bias.shape[-1] // 4
    return bias[..., number * hidden : (number + 1) * hidden]
