"""Gated cells from inside: the gates of ``nn.LSTM`` and ``nn.GRU`` and the Jacobians of their states.

Everything works on one sequence ``x (T, I)`` and a one-layer, one-directional module of PyTorch:
``lstm_gates`` and ``gru_gates`` run the module and keep what it computed on the way;
``lstm_jacobians``, ``cell_jacobians`` and ``gru_jacobians`` turn these records into matrices;
``gradflow.jacobians.state_jacobians`` multiplies them, and ``lstm_cell_jacobians`` does the whole way for the cell.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from gradflow._validation import require_finite, require_like, require_module, require_tensor
from gradflow.jacobians import state_jacobians


class LSTMGates(NamedTuple):
    """What an LSTM computed on one sequence of length T: gates (T, H), states (T + 1, H).

    Row ``t - 1`` of a gate is its value at step ``t``; row ``t`` of a state is the state after step ``t``,
    so row 0 is the initial state.
    """

    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor
    c: Tensor
    h: Tensor


class GRUGates(NamedTuple):
    """What a GRU computed on one sequence: r, z, n and m = U_n h + b_hn (T, H), states h (T + 1, H)."""

    r: Tensor
    z: Tensor
    n: Tensor
    m: Tensor
    h: Tensor


@torch.no_grad()
def lstm_gates(lstm: nn.LSTM, x: Tensor) -> LSTMGates:
    """Run an LSTM from the zero state and keep its gates.

    Args:
        lstm: one layer, one direction, no projection, hidden size H.
        x: one input sequence (T, I).

    Returns:
        Gates i, f, g, o (T, H) and states c, h (T + 1, H), the zero state first.

    Raises:
        ValueError: the module is of another kind, or ``x`` does not fit it.

    Source: Gers, Schmidhuber, Cummins 2000; order of the blocks i, f, g, o as in ``torch.nn.LSTM``.
    """
    W, U, b_input, b_hidden = _weights("lstm", lstm, nn.LSTM, x)
    drive = x @ W.T + b_input + b_hidden
    h = c = x.new_zeros(lstm.hidden_size)
    steps, cells, states = [], [c], [h]
    for u in drive.unbind(0):
        i, f, g, o = (u + U @ h).chunk(4)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        h = o * c.tanh()
        steps.append(torch.stack((i, f, g, o)))
        cells.append(c)
        states.append(h)
    i, f, g, o = torch.stack(steps, dim=1)
    require_finite("lstm, x: the gates", drive)
    return LSTMGates(i, f, g, o, torch.stack(cells), torch.stack(states))


@torch.no_grad()
def gru_gates(gru: nn.GRU, x: Tensor) -> GRUGates:
    """Run a GRU from the zero state and keep its gates.

    Args:
        gru: one layer, one direction, hidden size H; z keeps the old state, as PyTorch has it.
        x: one input sequence (T, I).

    Returns:
        Gates r, z, candidate n and its recurrent part m (T, H), states h (T + 1, H), the zero state first.

    Raises:
        ValueError: the module is of another kind, or ``x`` does not fit it.

    Source: Cho et al. 2014; the reset gate acts after the matrix, as in ``torch.nn.GRU``.
    """
    W, U, b_input, b_hidden = _weights("gru", gru, nn.GRU, x)
    drive = x @ W.T + b_input
    h = x.new_zeros(gru.hidden_size)
    steps, states = [], [h]
    for u in drive.unbind(0):
        (u_r, u_z, u_n), (v_r, v_z, m) = u.chunk(3), (U @ h + b_hidden).chunk(3)
        r, z = (u_r + v_r).sigmoid(), (u_z + v_z).sigmoid()
        n = (u_n + r * m).tanh()
        h = (1 - z) * n + z * h
        steps.append(torch.stack((r, z, n, m)))
        states.append(h)
    r, z, n, m = torch.stack(steps, dim=1)
    require_finite("gru, x: the gates", drive, m)
    return GRUGates(r, z, n, m, torch.stack(states))


@torch.no_grad()
def lstm_jacobians(lstm: nn.LSTM, gates: LSTMGates) -> Tensor:
    """Jacobians of the joint state ``(c_t, h_t)`` with respect to ``(c_{t-1}, h_{t-1})``.

    Args:
        lstm: the module that produced ``gates``.
        gates: record of a run of T steps.

    Returns:
        (T, 2H, 2H) in time order; rows and columns are the cell first, then the hidden state.
        Their product in decreasing order of time is the Jacobian over several steps.
    """
    _require_gates("lstm", lstm, gates, LSTMGates)
    through_cell = _cell_from_hidden(lstm, gates)
    U_o = _blocks(lstm)[3]
    _, f, _, o, c, _ = gates
    tanh_c = c[1:].tanh()
    slope = o * (1 - tanh_c**2)
    keep = torch.diag_embed(f)
    hidden = slope[:, :, None] * through_cell + (tanh_c * o * (1 - o))[:, :, None] * U_o
    top = torch.cat((keep, through_cell), dim=2)
    bottom = torch.cat((slope[:, :, None] * keep, hidden), dim=2)
    return _finite(torch.cat((top, bottom), dim=1))


@torch.no_grad()
def cell_jacobians(lstm: nn.LSTM, gates: LSTMGates) -> Tensor:
    """Total derivatives ``dc_t / dc_{t-1}`` of one step, t = 2 … T.

    The cell acts on its successor directly (the forget gate) and through ``h_{t-1} = o_{t-1} tanh c_{t-1}``.
    A product of these matrices is *not* ``dc_t / dc_k`` over several steps: it drops the output gates'
    dependence on older hidden states. For that use ``lstm_cell_jacobians``.

    Args:
        lstm: the module that produced ``gates``.
        gates: record of a run of T >= 2 steps.

    Returns:
        (T - 1, H, H) in time order.
    """
    _require_gates("lstm", lstm, gates, LSTMGates)
    if len(gates.f) < 2:
        raise ValueError(f"gates: expected a run of at least 2 steps, got {len(gates.f)}")
    entry = _hidden_from_cell(gates)[:-1]
    return _finite(torch.diag_embed(gates.f[1:]) + _cell_from_hidden(lstm, gates)[1:] * entry[:, None, :])


@torch.no_grad()
def lstm_cell_jacobians(lstm: nn.LSTM, gates: LSTMGates) -> Tensor:
    """Total derivatives ``dc_T / dc_k`` for all k = 1 … T, with everything that ``c_k`` reaches on the way.

    Args:
        lstm: the module that produced ``gates``.
        gates: record of a run of T steps.

    Returns:
        (T, H, H), entry ``k - 1`` for k; the last one is the identity.
    """
    products = state_jacobians(lstm_jacobians(lstm, gates)[1:])
    size = gates.c.shape[1]
    entry = _hidden_from_cell(gates)
    return _finite(products[:, :size, :size] + products[:, :size, size:] * entry[:, None, :])


@torch.no_grad()
def gru_jacobians(gru: nn.GRU, gates: GRUGates) -> Tensor:
    """Jacobians ``∂h_t / ∂h_{t-1}`` of a GRU in PyTorch's convention, ``h' = (1 - z) n + z h``.

    Args:
        gru: the module that produced ``gates``.
        gates: record of a run of T steps.

    Returns:
        (T, H, H) in time order; the hidden state is the whole state, so products are exact.
    """
    _require_gates("gru", gru, gates, GRUGates)
    U_r, U_z, U_n = _blocks(gru)
    r, z, n, m, h = gates
    by_z = ((h[:-1] - n) * z * (1 - z))[:, :, None] * U_z
    by_n = r[:, :, None] * U_n + (m * r * (1 - r))[:, :, None] * U_r
    return _finite(torch.diag_embed(z) + by_z + ((1 - z) * (1 - n**2))[:, :, None] * by_n)


def _cell_from_hidden(lstm: nn.LSTM, gates: LSTMGates) -> Tensor:
    """∂c_t/∂h_{t-1} (T, H, H): the hidden state moves the forget gate, the input gate and the candidate."""
    U_i, U_f, U_g, _ = _blocks(lstm)
    i, f, g, _, c, _ = gates
    by_f = (c[:-1] * f * (1 - f))[:, :, None] * U_f
    by_i = (g * i * (1 - i))[:, :, None] * U_i
    by_g = (i * (1 - g**2))[:, :, None] * U_g
    return by_f + by_i + by_g


def _hidden_from_cell(gates: LSTMGates) -> Tensor:
    """Diagonal of ∂h_t/∂c_t (T, H), the output gate held fixed."""
    return gates.o * (1 - gates.c[1:].tanh() ** 2)


def _weights(name: str, module: nn.Module, kind: type[nn.RNNBase], x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Input weights, recurrent weights and the two biases of a plain one-layer module."""
    recurrent = _require_plain(name, module, kind)
    require_tensor("x", x, ndim=2)
    if x.shape[0] == 0 or x.shape[1] != recurrent.input_size:
        raise ValueError(f"x: expected shape (T, {recurrent.input_size}) with T >= 1, got {tuple(x.shape)}")
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    W, U, b_input, b_hidden = (cast(Tensor, getattr(recurrent, name)) for name in names)
    require_like("x", x, W, name)
    return W, U, b_input, b_hidden


def _require_plain(name: str, module: nn.Module, kind: type[nn.RNNBase]) -> nn.RNNBase:
    require_module(name, module)
    if not isinstance(module, kind):
        raise ValueError(f"{name}: expected nn.{kind.__name__}, got {type(module).__name__}")
    if module.num_layers != 1 or module.bidirectional or module.proj_size or not module.bias:
        raise ValueError(f"{name}: expected one layer, one direction, biases, no projection; got {module!r}")
    for parameter in module.parameters():
        require_tensor(name, parameter)
    return module


def _require_gates(name: str, module: nn.Module, gates: tuple[Tensor, ...], kind: type[tuple[Tensor, ...]]) -> None:
    """Check that ``gates`` are a record of a run of the module."""
    recurrent = _require_plain(name, module, nn.LSTM if kind is LSTMGates else nn.GRU)
    if not isinstance(gates, kind):
        raise ValueError(f"gates: expected {kind.__name__}, got {type(gates).__name__}")
    for quantity, key in zip(gates, cast(Any, kind)._fields, strict=True):
        require_tensor(f"gates.{key}", quantity, ndim=2)
        require_like(f"gates.{key}", quantity, cast(Tensor, recurrent.weight_hh_l0), name)
        expected = len(gates[0]) + (key in "ch"), recurrent.hidden_size
        if quantity.shape != expected or len(quantity) == 0:
            raise ValueError(f"gates.{key}: expected shape {expected}, got {tuple(quantity.shape)}")


def _finite(jacobians: Tensor) -> Tensor:
    require_finite("gates: the Jacobians", jacobians)
    return jacobians


def _blocks(module: nn.RNNBase) -> tuple[Tensor, ...]:
    """The H×H blocks of the recurrent weights: i, f, g, o of an LSTM, r, z, n of a GRU."""
    return torch.split(cast(Tensor, module.weight_hh_l0), module.hidden_size)
