"""Deep networks whose weights are known: what the layers multiply by, and what stands between them.

Weights come as one tensor ``(L, D, D)``, one matrix a layer; :func:`deep_network` and
:func:`residual_network` turn them into an ``nn.Sequential`` without biases.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from gradflow._validation import (
    ask,
    require_callable,
    require_choice,
    require_generator,
    require_number,
    require_sizes,
    require_square,
)


def identity_weights(depth: int, width: int, gain: float = 1.0, noise: float = 0.0, *, generator: Generator) -> Tensor:
    """Matrices ``gain * I + noise * N`` with independent standard normal entries of ``N``.

    Returns:
        ``(depth, width, width)``.

    Raises:
        ValueError: ``depth`` or ``width`` is not a positive integer, ``gain`` or ``noise`` not finite.
    """
    require_sizes(depth=depth, width=width, columns=width)
    dtype = torch.get_default_dtype()
    gain, noise = require_number("gain", gain, dtype), require_number("noise", noise, dtype)
    normal = torch.randn((depth, width, width), generator=require_generator(generator))
    return gain * torch.eye(width) + noise * normal


def gaussian_weights(depth: int, width: int, sigma: float = 1.0, *, generator: Generator) -> Tensor:
    """Independent entries with mean 0 and variance ``sigma ** 2 / width``.

    Returns:
        ``(depth, width, width)``.

    Raises:
        ValueError: ``depth`` or ``width`` is not a positive integer, or ``sigma`` is not finite.
    """
    require_sizes(depth=depth, width=width, columns=width)
    scale = require_number("sigma", sigma, torch.get_default_dtype()) / math.sqrt(width)
    return torch.randn((depth, width, width), generator=require_generator(generator)) * scale


def orthogonal_weights(depth: int, width: int, gain: float = 1.0, *, generator: Generator) -> Tensor:
    """Independent random orthogonal matrices (Haar measure) times ``gain``.

    Returns:
        ``(depth, width, width)``.

    Raises:
        ValueError: ``depth`` or ``width`` is not a positive integer, or ``gain`` is not finite.
    """
    require_sizes(depth=depth, width=width, columns=width)
    gain = require_number("gain", gain, torch.get_default_dtype())
    weights = torch.empty(depth, width, width)
    for weight in weights:
        nn.init.orthogonal_(weight, gain, generator=require_generator(generator))
    return weights


Normalization = type[nn.LayerNorm] | type[nn.RMSNorm]


def deep_network(
    weights: Tensor,
    activation: Callable[[], nn.Module] | None = None,
    layer_norm: str | None = None,
    normalization: Normalization = nn.LayerNorm,
) -> nn.Sequential:
    """Linear layers in a row, each followed by the activation and, if asked, by layer normalization.

    Args:
        weights: ``(L, D, D)``, copied.
        activation: makes the nonlinearity, for example ``nn.ReLU``; ``None`` keeps the layer linear.
        layer_norm: ``"before"`` or ``"after"`` the activation; ``None`` for none.
        normalization: its kind, made without trainable parameters.

    Raises:
        ValueError: ``weights`` is not a finite float tensor ``(L, D, D)``, or ``layer_norm`` is unknown.
    """
    _require_weights(weights)
    require_choice("layer_norm", layer_norm, (None, "before", "after"))
    layers: list[nn.Module] = []
    for weight in weights:
        layers.append(_linear(weight))
        if layer_norm == "before":
            layers.append(normalization(len(weight), elementwise_affine=False))
        if activation is not None:
            layers.append(_made_by(activation))
        if layer_norm == "after":
            layers.append(normalization(len(weight), elementwise_affine=False))
    return nn.Sequential(*layers)


def deep_linear(depth: int, width: int, gain: float, noise: float = 0.0, *, generator: Generator) -> nn.Sequential:
    """``depth`` linear layers without bias, each with the weights ``gain * I + noise * N``.

    Raises:
        ValueError: ``depth`` or ``width`` is not a positive integer, ``gain`` or ``noise`` not finite.
    """
    return deep_network(identity_weights(depth, width, gain, noise, generator=generator))


class _ResidualBlock(nn.Module):
    """``x + scale * branch(x)``."""

    def __init__(self, branch: nn.Module, scale: float) -> None:
        super().__init__()
        self.branch = branch
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, of the shape of ``x``."""
        y: Tensor = torch.add(x, self.branch(x), alpha=self.scale)
        return y


def residual_network(
    weights: Tensor,
    activation: Callable[[], nn.Module] | None = None,
    scale: float = 1.0,
    layer_norm: str | None = None,
    output_weights: Tensor | None = None,
) -> nn.Sequential:
    """Blocks ``x + scale * activation(W x)`` in a row, or ``x + scale * U activation(W x)``.

    Args:
        weights: ``(L, D, D)``, copied.
        activation: makes the nonlinearity of the branch; ``None`` keeps it linear.
        scale: factor of every branch.
        output_weights: matrices U that end the branches, ``(L, D, D)``, copied; None ends them with the activation.
        layer_norm: ``"pre"`` normalizes the input of the branch, ``"post"`` the sum; ``None`` neither.

    Raises:
        ValueError: ``weights`` is not a finite float tensor ``(L, D, D)``, ``output_weights`` is not one of the same
            shape, ``scale`` is not finite, or ``layer_norm`` is unknown.

    Source: He et al. 2016 (residual connections), Xiong et al. 2020 (pre- and post-normalization).
    """
    _require_weights(weights)
    require_choice("layer_norm", layer_norm, (None, "pre", "post"))
    if output_weights is not None and require_square("output_weights", output_weights).shape != weights.shape:
        raise ValueError(f"output_weights: expected {tuple(weights.shape)}, got {tuple(output_weights.shape)}")
    scale = require_number("scale", scale)
    layers: list[nn.Module] = []
    for index, weight in enumerate(weights):
        branch: list[nn.Module] = [_normalization(weight)] if layer_norm == "pre" else []
        branch.append(_linear(weight))
        if activation is not None:
            branch.append(_made_by(activation))
        if output_weights is not None:
            branch.append(_linear(output_weights[index]))
        layers.append(_ResidualBlock(nn.Sequential(*branch), scale))
        if layer_norm == "post":
            layers.append(_normalization(weight))
    return nn.Sequential(*layers)


def _require_weights(weights: Tensor) -> None:
    require_square("weights", weights)
    if weights.ndim != 3 or len(weights) == 0:
        raise ValueError(f"weights: expected shape (L, D, D) with L >= 1, got {tuple(weights.shape)}")


def _made_by(activation: Callable[[], nn.Module]) -> nn.Module:
    module = ask("activation", require_callable("activation", activation))
    if not isinstance(module, nn.Module):
        raise ValueError(f"activation: expected what makes a module, like nn.ReLU; it made {type(module).__name__}")
    return module


def _linear(weight: Tensor) -> nn.Linear:
    layer = _GivenLinear(len(weight), len(weight), bias=False)
    layer.weight = nn.Parameter(weight.detach().clone())
    return layer


class _GivenLinear(nn.Linear):
    def reset_parameters(self) -> None:
        """Draw nothing: the weights are given."""


def _normalization(weight: Tensor) -> nn.LayerNorm:
    return nn.LayerNorm(len(weight), elementwise_affine=False)
