"""Recurrent networks, many at once: N networks with their own weights as one batched computation.

The networks differ in their seeds, initialisations and data, and never see one another. Every parameter has a
leading dimension N; inputs are ``(T, N, B, I)`` (time, networks, batch, features), hidden states
``(T, N, B, H)``. A row of a batch is one column vector of the formulas: ``h @ W.mT`` is :math:`Wh`.
Modules live on the device of the generator that initialises them and may be moved and cast like any other.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

from gradflow._recurrences import GatedRecurrence, SimpleRecurrence
from gradflow._validation import (
    require_choice,
    require_count,
    require_finite,
    require_floats,
    require_generator,
    require_like,
    require_module,
    require_sequence,
    require_sizes,
    require_square,
    require_tensor,
)


def maxmin(a: Tensor) -> Tensor:
    """Sort each pair of neighbouring units: ``(…, H)`` -> ``(…, H)``; the Jacobian is a permutation."""
    if require_floats("a", a).ndim == 0 or a.shape[-1] % 2:
        raise ValueError(f"a: expected an even last dimension, got shape {tuple(a.shape)}")
    pairs: Tensor = a.unflatten(-1, (a.shape[-1] // 2, 2)).sort(-1, descending=True).values
    return pairs.flatten(-2)


@dataclass(frozen=True)
class Activation:
    """An activation function and, where it acts element by element, its derivative."""

    function: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor] | None


_LEAK = 0.01  # the slope of torch.nn.functional.leaky_relu

ACTIVATIONS = {
    "linear": Activation(lambda a: a, torch.ones_like),
    "tanh": Activation(torch.tanh, lambda a: 1 - torch.tanh(a).square()),
    "relu": Activation(torch.relu, lambda a: (a > 0).to(a.dtype)),
    "leaky_relu": Activation(
        nn.functional.leaky_relu, lambda a: torch.where(a > 0, torch.ones_like(a), _LEAK * torch.ones_like(a))
    ),
    "abs": Activation(torch.abs, torch.sign),
    "far_abs": Activation(lambda a: (a + 3).abs() - 3, lambda a: (a + 3).sign()),  # the fold is away from zero
    "maxmin": Activation(maxmin, None),
}
"""The activations of ``ParallelRNN`` by name."""


def driven_run(W: Tensor, inputs: Tensor, activation: str, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One network ``h_t = f(W h_{t-1} + x_t)``: its states and the slopes along its trajectory, without a graph.

    Args:
        W: ``(D, D)``, one matrix for all steps, or ``(T, D, D)``, one a step (then it is a deep network).
        inputs: ``(T, D)``, the ``x_t``: the input ``V x_t + b`` of the formulas.
        activation: a key of ``ACTIVATIONS`` that acts element by element.
        h0: ``(D,)``, zero by default.

    Returns:
        States ``h_0 … h_T`` ``(T+1, D)`` and slopes ``f'(a_1) … f'(a_T)`` ``(T, D)``.

    Raises:
        ValueError: an unknown activation, or shapes that do not match.
    """
    W, inputs = require_square("W", W), require_tensor("inputs", inputs, ndim=2)
    if len(inputs) == 0:
        raise ValueError("inputs: expected at least one step, got T = 0")
    require_like("inputs", inputs, W, "W")
    if W.ndim > 3 or (W.ndim == 3 and len(W) != len(inputs)):
        raise ValueError(f"W: expected shape (D, D) or ({len(inputs)}, D, D), got {tuple(W.shape)}")
    if inputs.shape[-1] != W.shape[-1]:
        raise ValueError(f"inputs: expected shape (T, {W.shape[-1]}), got {tuple(inputs.shape)}")
    elementwise = {name: (f.function, f.slope) for name, f in ACTIVATIONS.items() if f.slope is not None}
    require_choice("activation", activation, elementwise)
    f, slope = elementwise[activation]
    h = torch.zeros_like(inputs[0]) if h0 is None else require_tensor("h0", h0, ndim=1)
    require_like("h0", h, W, "W")
    if h.shape != inputs[0].shape:
        raise ValueError(f"h0: expected shape {tuple(inputs[0].shape)}, got {tuple(h.shape)}")
    states, slopes = [h], []
    with torch.no_grad():
        for W_t, x in zip(W.expand(len(inputs), -1, -1), inputs, strict=True):
            a = W_t @ states[-1] + x
            states.append(f(a))
            slopes.append(slope(a))
    trajectory = torch.stack(states)
    require_finite("W, inputs, h0: the states", trajectory)
    return trajectory, torch.stack(slopes)


class ParallelRNN(nn.Module):
    """N simple recurrent networks, ``h_t = f(W h_{t-1} + V x_t + b)``.

    Parameters ``W (N, H, H)``, ``V (N, H, I)``, ``b (N, H)`` start as in ``torch.nn.RNN``, from U(±1/√H); the two
    biases of PyTorch are one here.

    Args:
        nets: number of networks N.
        input_size: number of input features I.
        hidden_size: number of hidden units H.
        activation: a key of ``ACTIVATIONS``; ``"maxmin"`` needs an even ``hidden_size``.
        generator: source of the initial weights.

    Raises:
        ValueError: a size below 1, an unknown activation, or an odd ``hidden_size`` for maxmin.
    """

    def __init__(
        self, nets: int, input_size: int, hidden_size: int, activation: str = "tanh", *, generator: Generator
    ) -> None:
        super().__init__()
        _require_sizes(nets, input_size, hidden_size)
        require_choice("activation", activation, ACTIVATIONS)
        if activation == "maxmin" and hidden_size % 2:
            raise ValueError(f"hidden_size: expected an even number for maxmin, got {hidden_size}")
        self.activation = activation
        self.W = _uniform((nets, hidden_size, hidden_size), hidden_size, generator)
        self.V = _uniform((nets, hidden_size, input_size), hidden_size, generator)
        self.b = _uniform((nets, hidden_size), hidden_size, generator)

    def extra_repr(self) -> str:
        """The activation, so that ``repr`` and ``join`` tell networks apart."""
        return self.activation

    def forward(self, x: Tensor, h0: Tensor | None = None) -> Tensor:
        """Hidden states of all steps: ``x (T, N, B, I)`` -> ``(T, N, B, H)``.

        They start from ``h0 (N, B, H)``, which gets no gradient, or from zero.
        """
        return torch.stack(self._run(x, h0))

    def last(self, x: Tensor) -> Tensor:
        """The last hidden state ``(N, B, H)``: ``forward(x)[-1]``, without a gradient of zeros for every other step."""
        return self._run(x)[-1]

    def _run(self, x: Tensor, h0: Tensor | None = None) -> list[Tensor] | tuple[Tensor, ...]:
        _require_input(x, self.V)
        h = _initial_state(x, self.W)
        if h0 is not None:
            if require_tensor("h0", h0, ndim=3).shape != h.shape:
                raise ValueError(f"h0: expected shape {tuple(h.shape)}, got {tuple(h0.shape)}")
            h = h0.detach()
        if self.activation in ("tanh", "relu", "linear"):
            x, V = nn.functional.pad(x, (0, 1), value=1.0), torch.cat((self.V.mT, self.b.unsqueeze(1)), 1)
            by_hand: tuple[Tensor, ...] = SimpleRecurrence.apply(x, V, self.W.mT.contiguous(), h, self.activation)  # type: ignore[no-untyped-call]
            return by_hand
        function, W = ACTIVATIONS[self.activation].function, self.W.mT
        states = []
        # unbind, not U[t]: the backward of an index costs a zero tensor of all T steps, so T of them cost T².
        for u in _affine(x, self.V, self.b).unbind(0):
            h = function(torch.baddbmm(u, h, W))
            states.append(h)
        return states


class _GatedCell(nn.Module):
    """The four stacked parameters of a gated cell under PyTorch's names and with PyTorch's initialisation."""

    def __init__(self, gates: int, nets: int, input_size: int, hidden_size: int, generator: Generator) -> None:
        super().__init__()
        _require_sizes(nets, input_size, hidden_size)
        rows = gates * hidden_size
        self.weight_ih_l0 = _uniform((nets, rows, input_size), hidden_size, generator)
        self.weight_hh_l0 = _uniform((nets, rows, hidden_size), hidden_size, generator)
        self.bias_ih_l0 = _uniform((nets, rows), hidden_size, generator)
        self.bias_hh_l0 = _uniform((nets, rows), hidden_size, generator)


class ParallelGRU(_GatedCell):
    """N gated recurrent units with the parameters, the gate order r, z, n and the conventions of ``torch.nn.GRU``.

    ``weight_ih_l0 (N, 3H, I)``, ``weight_hh_l0 (N, 3H, H)``, ``bias_ih_l0 (N, 3H)``, ``bias_hh_l0 (N, 3H)``, from
    U(±1/√H).

    Args:
        nets: number of networks N.
        input_size: number of input features I.
        hidden_size: number of hidden units H.
        generator: source of the initial weights.

    Source: Cho et al. 2014.
    """

    def __init__(self, nets: int, input_size: int, hidden_size: int, *, generator: Generator) -> None:
        super().__init__(3, nets, input_size, hidden_size, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Hidden states of all steps: ``x (T, N, B, I)`` -> ``(T, N, B, H)``."""
        return self._run(x, every=True)

    def last(self, x: Tensor) -> Tensor:
        """The last hidden state ``(N, B, H)``."""
        return self._run(x, every=False)

    def _run(self, x: Tensor, every: bool) -> Tensor:
        _require_input(x, self.weight_ih_l0)
        h = _initial_state(x, self.weight_hh_l0)
        H = h.shape[-1]
        V, W = self.weight_ih_l0.mT, self.weight_hh_l0.mT
        b, c = self.bias_ih_l0.unsqueeze(1), self.bias_hh_l0.unsqueeze(1)
        (V_rz, V_n), (b_rz, b_n), (c_rz, c_n) = (part.split((2 * H, H), -1) for part in (V, b, c))
        V = torch.cat((V_rz, torch.zeros_like(V_n), V_n), -1)
        b = torch.cat((b_rz + c_rz, c_n, b_n), -1)
        states: Tensor = GatedRecurrence.apply(x, V, b, W.contiguous(), h, every)  # type: ignore[no-untyped-call]
        return states


class ParallelLSTM(_GatedCell):
    """N long short-term memories with the parameters and the gate order i, f, g, o of ``torch.nn.LSTM``.

    ``weight_ih_l0 (N, 4H, I)``, ``weight_hh_l0 (N, 4H, H)``, ``bias_ih_l0 (N, 4H)``, ``bias_hh_l0 (N, 4H)``, from
    U(±1/√H).

    Args:
        nets: number of networks N.
        input_size: number of input features I.
        hidden_size: number of hidden units H.
        generator: source of the initial weights.

    Source: Hochreiter, Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000.
    """

    def __init__(self, nets: int, input_size: int, hidden_size: int, *, generator: Generator) -> None:
        super().__init__(4, nets, input_size, hidden_size, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Hidden states of all steps: ``x (T, N, B, I)`` -> ``(T, N, B, H)``."""
        return torch.stack([outputs for outputs, _ in self._run(x)], dim=1)

    def last(self, x: Tensor) -> Tensor:
        """The last hidden state ``(N, B, H)``."""
        return torch.stack([h.squeeze(0) for _, h in self._run(x)])

    def _run(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """All hidden states (T, B, H) and the last one (1, B, H) of each network."""
        _require_input(x, self.weight_ih_l0)
        zero = _initial_state(x, self.weight_hh_l0)[:1]
        results = []
        # PyTorch's LSTM is fused: one network after another is no slower than a loop over time for all of them.
        weights = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
        for x_n, *weights_n in zip(x.transpose(0, 1).contiguous(), *weights, strict=True):
            if x.is_cuda:
                weights_n = _in_one_storage(weights_n)
            results.append(torch.lstm(x_n, (zero, zero), weights_n, True, 1, 0.0, self.training, False, False)[:2])
        return results


class ParallelLRU(nn.Module):
    """N diagonal linear recurrences, ``s_t = λ s_{t-1} + γ (B u_t)``, over an input encoded as ``u = relu(E x + e)``.

    The state is H/2 complex numbers, returned as H real ones. ``|λ| = exp(-exp(nu))`` stays below 1 whatever the
    training does; at the start ``|λ|`` lies in [0.9, 0.999] and the phases in [0, π/10], and
    ``γ = sqrt(1 - |λ|²)`` keeps the state at the scale of its input.

    Args:
        nets: number of networks N.
        input_size: number of input features I.
        hidden_size: number of real numbers in the state H, even.
        generator: source of the initial weights.

    Raises:
        ValueError: a size below 1, or an odd ``hidden_size``.

    Source: Orvieto et al. 2023, the recurrence alone: no skip connection, no normalisation, no gated layer after it.
    """

    def __init__(self, nets: int, input_size: int, hidden_size: int, *, generator: Generator) -> None:
        super().__init__()
        _require_sizes(nets, input_size, hidden_size)
        if hidden_size % 2:
            raise ValueError(f"hidden_size: expected an even number, got {hidden_size}")
        self.E = _uniform((nets, hidden_size, input_size), input_size, generator)
        self.e = _uniform((nets, hidden_size), input_size, generator)
        self.B = _uniform((nets, hidden_size, hidden_size), hidden_size, generator)
        shape, device = (nets, hidden_size // 2), generator.device
        square = 0.9**2 + (0.999**2 - 0.9**2) * torch.rand(shape, generator=generator, device=device)
        phase = math.pi / 10 * torch.rand(shape, generator=generator, device=device)
        self.nu = nn.Parameter(torch.log(-0.5 * torch.log(square)))
        self.theta = nn.Parameter(phase)
        self.log_gamma = nn.Parameter(0.5 * torch.log1p(-square))

    @property
    def eigenvalues(self) -> Tensor:
        """The complex factors λ, (N, H/2)."""
        return torch.polar(torch.exp(-torch.exp(self.nu)), self.theta)

    def forward(self, x: Tensor) -> Tensor:
        """States of all steps: ``x (T, N, B, I)`` -> ``(T, N, B, H)``, real and imaginary parts side by side."""
        drive, factor = self._drive(x), self.eigenvalues.unsqueeze(1)
        s, states = torch.zeros_like(drive[0]), []
        for u in drive.unbind(0):
            s = torch.addcmul(u, factor, s)
            states.append(s)
        return torch.view_as_real(torch.stack(states)).flatten(-2)

    def last(self, x: Tensor) -> Tensor:
        """The last state ``(N, B, H)``: linear in the drives, ``s_T = Σ λ^(T-t) u_t``, so no loop over time."""
        drive = self._drive(x)
        ages = torch.arange(len(drive) - 1, -1, -1, device=drive.device).view(-1, 1, 1)
        powers = torch.polar(torch.exp(-torch.exp(self.nu) * ages), self.theta * ages)
        return torch.view_as_real((powers.unsqueeze(2) * drive).sum(0)).flatten(-2)

    def _drive(self, x: Tensor) -> Tensor:
        """γ B relu(E x + e) of all steps, (T, N, B, H/2), complex."""
        _require_input(x, self.E)
        encoded = torch.relu(_affine(x, self.E, self.e))
        gain = torch.exp(self.log_gamma).repeat_interleave(2, -1).unsqueeze(-1)
        return torch.view_as_complex(_affine(encoded, gain * self.B).unflatten(-1, (-1, 2)).contiguous())


Cell = ParallelRNN | ParallelGRU | ParallelLSTM | ParallelLRU


class SequenceModel(nn.Module):
    """A recurrent cell and a linear readout ``o = C h + d`` of the last state or of every state.

    Args:
        cell: one of the parallel cells above.
        output_size: number of outputs O.
        every_step: read every state instead of the last.
        generator: source of the readout's initial weights, U(±1/√H) as in ``torch.nn.Linear``.
    """

    def __init__(self, cell: Cell, output_size: int, *, every_step: bool = False, generator: Generator) -> None:
        super().__init__()
        if not isinstance(require_module("cell", cell), Cell):
            raise ValueError(f"cell: expected one of the parallel cells, got {type(cell).__name__}")
        require_count("output_size", output_size)
        self.cell = cell
        self.every_step = every_step
        recurrent = next(p for name, p in cell.named_parameters() if name in ("W", "weight_hh_l0", "B"))
        nets, hidden_size = recurrent.shape[0], recurrent.shape[-1]
        require_sizes(nets=nets, output_size=output_size, hidden_size=hidden_size)
        self.C = _uniform((nets, output_size, hidden_size), hidden_size, generator)
        self.d = _uniform((nets, output_size), hidden_size, generator)

    @property
    def nets(self) -> int:
        """The number of networks N."""
        return len(self.C)

    def forward(self, x: Tensor) -> Tensor:
        """``x (T, N, B, I)`` -> ``(N, B, O)``, or ``(T, N, B, O)`` when every step is read."""
        if self.every_step:
            return _affine(self.cell(x), self.C, self.d)
        return torch.baddbmm(self.d.unsqueeze(1), self.cell.last(x), self.C.mT)


_Model = TypeVar("_Model", bound=nn.Module)


def join(models: Sequence[_Model]) -> _Model:
    """One module with the networks of all ``models``, in their order: build groups apart, train them together.

    Args:
        models: modules of one kind and one size; the numbers of networks may differ.

    Returns:
        A new module; ``models`` keep their own parameters.

    Raises:
        ValueError: no models, or models of different kinds, activations or sizes.
    """
    require_sequence("models", models, nn.Module)
    kinds = [(str(model), {name: p.shape[1:] for name, p in model.named_parameters()}) for model in models]
    for number, kind in enumerate(kinds):
        if kind != kinds[0]:
            raise ValueError(f"models: expected networks of one kind and size, but model {number} differs from model 0")
    joined = copy.deepcopy(models[0])
    parts = [dict(model.named_parameters()) for model in models]
    for name, _ in models[0].named_parameters():
        owner, _, leaf = name.rpartition(".")
        stacked = torch.cat([part[name].detach() for part in parts])
        setattr(joined.get_submodule(owner), leaf, nn.Parameter(stacked))
    return joined


def _uniform(shape: tuple[int, ...], fan_in: int, generator: Generator) -> nn.Parameter:
    """A parameter from U(±1/√fan_in), the default of torch.nn's recurrent and linear layers."""
    bound = 1 / math.sqrt(fan_in)
    tensor = torch.empty(shape, device=require_generator(generator).device)
    return nn.Parameter(tensor.uniform_(-bound, bound, generator=generator))


def _in_one_storage(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copies that follow one another in a storage of their own, from its start: cuDNN takes weights only so.

    Others it would copy in every call, with a warning.
    """
    whole = torch.cat([tensor.flatten() for tensor in tensors])
    parts = whole.split([tensor.numel() for tensor in tensors])
    return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]


def _require_sizes(nets: int, input_size: int, hidden_size: int) -> None:
    require_sizes(nets=nets, input_size=input_size, hidden_size=hidden_size)
    require_sizes(nets=nets, hidden_size=hidden_size, columns=4 * hidden_size)


def _require_input(x: Tensor, weight: Tensor) -> None:
    require_tensor("x", x, 4)
    require_like("x", x, weight, "the weights")
    if x.numel() == 0:
        raise ValueError(f"x: expected at least one step and one sequence, got shape {tuple(x.shape)}")
    if x.shape[1] != weight.shape[0] or x.shape[-1] != weight.shape[-1]:
        raise ValueError(
            f"x: expected (T, N, B, I) with N={weight.shape[0]} and I={weight.shape[-1]}, got shape {tuple(x.shape)}"
        )


def _initial_state(x: Tensor, recurrent: Tensor) -> Tensor:
    return recurrent.new_zeros((recurrent.shape[0], x.shape[2], recurrent.shape[-1]))


def _affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Each network's affine map of all steps at once: (T, N, B, I), (N, K, I), (N, K) -> (T, N, B, K)."""
    steps, _, batch, _ = x.shape
    flat = x.transpose(0, 1).flatten(1, 2)
    mapped = torch.bmm(flat, weight.mT) if bias is None else torch.baddbmm(bias.unsqueeze(1), flat, weight.mT)
    return mapped.view(mapped.shape[0], steps, batch, -1).transpose(0, 1)
