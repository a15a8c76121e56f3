"""Gate mathematics against PyTorch's own modules and autograd in float64."""

import math

import pytest
import torch
from torch import nn

from gradflow.cells import (
    cell_jacobians,
    gru_gates,
    gru_jacobians,
    lstm_cell_jacobians,
    lstm_gates,
    lstm_jacobians,
    state_jacobians,
)

INPUTS, H, T = 3, 5, 7


def make(kind, seed=0, spread=1.5, hidden=H):
    """A module with large random weights in float64, so that no gate sits near its default."""
    generator = torch.Generator().manual_seed(seed)
    module = kind(INPUTS, hidden, dtype=torch.float64)
    for p in module.parameters():
        nn.init.normal_(p, std=spread / math.sqrt(hidden), generator=generator)
    x = torch.randn(T, INPUTS, generator=generator, dtype=torch.float64)
    return module, x


def lstm_step(lstm, x, c, h):
    """One step of nn.LSTM itself, differentiable in c and h."""
    _, (h, c) = lstm(x[None], (h[None], c[None]))
    return c[0], h[0]


@pytest.mark.parametrize("seed", range(3))
def test_gates_reproduce_torch_lstm(seed):
    lstm, x = make(nn.LSTM, seed)
    gates = lstm_gates(lstm, x)
    output, (_, c) = lstm(x)
    torch.testing.assert_close(gates.h[1:], output)
    torch.testing.assert_close(gates.c[-1], c[0])


@pytest.mark.parametrize("seed", range(3))
def test_gates_reproduce_torch_gru(seed):
    gru, x = make(nn.GRU, seed)
    torch.testing.assert_close(gru_gates(gru, x).h[1:], gru(x)[0])


@pytest.mark.parametrize("t", [1, 2, T])
def test_lstm_jacobian_is_autograd_of_joint_state(t):
    lstm, x = make(nn.LSTM)
    gates = lstm_gates(lstm, x)

    def step(state):
        return torch.cat(lstm_step(lstm, x[t - 1], state[:H], state[H:]))

    expected = torch.autograd.functional.jacobian(step, torch.cat((gates.c[t - 1], gates.h[t - 1])))
    torch.testing.assert_close(lstm_jacobians(lstm, gates)[t - 1], expected, rtol=1e-12, atol=1e-14)


def autograd_cell_jacobian(lstm, x, k):
    """dc_T/dc_k when c_k enters h_k = o_k tanh c_k, the rest of the run being PyTorch's."""
    gates = lstm_gates(lstm, x)

    def rest(c):
        h = gates.o[k - 1] * c.tanh()
        for x_t in x[k:]:
            c, h = lstm_step(lstm, x_t, c, h)
        return c

    return torch.autograd.functional.jacobian(rest, gates.c[k])


@pytest.mark.parametrize("k", [1, 3, T - 2, T - 1, T])
def test_cell_jacobian_over_many_steps_is_autograd(k):
    lstm, x = make(nn.LSTM)
    ours = lstm_cell_jacobians(lstm, lstm_gates(lstm, x))[k - 1]
    torch.testing.assert_close(ours, autograd_cell_jacobian(lstm, x, k), rtol=1e-11, atol=1e-13)


def test_one_step_cell_jacobian_is_autograd():
    lstm, x = make(nn.LSTM)
    ours = cell_jacobians(lstm, lstm_gates(lstm, x))[-1]
    torch.testing.assert_close(ours, autograd_cell_jacobian(lstm, x, T - 1), rtol=1e-12, atol=1e-14)


def product_of_one_step(lstm, x):
    return state_jacobians(cell_jacobians(lstm, lstm_gates(lstm, x)))


def test_product_of_one_step_cell_jacobians_is_not_the_jacobian():
    lstm, x = make(nn.LSTM)
    true = lstm_cell_jacobians(lstm, lstm_gates(lstm, x))
    wrong = product_of_one_step(lstm, x)
    error = (wrong - true).flatten(1).norm(dim=1) / true.flatten(1).norm(dim=1)
    assert error[-2] < 1e-14 and error[-3] > 1e-3 and error[0] > 1e-2


def test_product_of_one_step_cell_jacobians_is_exact_without_output_feedback():
    lstm, x = make(nn.LSTM)
    with torch.no_grad():
        lstm.weight_hh_l0[3 * H :] = 0
    true = lstm_cell_jacobians(lstm, lstm_gates(lstm, x))
    torch.testing.assert_close(product_of_one_step(lstm, x), true, rtol=1e-12, atol=1e-14)


def test_two_step_error_is_the_output_gate_term():
    lstm, x = make(nn.LSTM)
    gates = lstm_gates(lstm, x)
    true, wrong = lstm_cell_jacobians(lstm, gates), product_of_one_step(lstm, x)
    J = lstm_jacobians(lstm, gates)
    U_o = lstm.weight_hh_l0[3 * H :].detach()
    o, tanh_c = gates.o, gates.c[1:].tanh()
    feedback = torch.diag(tanh_c[-2] * o[-2] * (1 - o[-2])) @ U_o
    enter = torch.diag(o[-3] * (1 - tanh_c[-3] ** 2))
    torch.testing.assert_close(true[-3] - wrong[-3], J[-1, :H, H:] @ feedback @ enter)


@pytest.mark.parametrize("t", [1, 2, T])
def test_gru_jacobian_is_autograd(t):
    gru, x = make(nn.GRU)
    gates = gru_gates(gru, x)
    expected = torch.autograd.functional.jacobian(lambda h: gru(x[t - 1 : t], h[None])[1][0], gates.h[t - 1])
    torch.testing.assert_close(gru_jacobians(gru, gates)[t - 1], expected, rtol=1e-12, atol=1e-14)


def test_gru_products_are_exact_over_many_steps():
    gru, x = make(nn.GRU)
    gates = gru_gates(gru, x)
    expected = torch.autograd.functional.jacobian(lambda h: gru(x[1:], h[None])[1][0], gates.h[1])
    torch.testing.assert_close(state_jacobians(gru_jacobians(gru, gates))[1], expected, rtol=1e-11, atol=1e-13)


def test_zero_trajectory_has_a_constant_jacobian():
    """Zero input and no bias in g: dc_T/dc_k is a power of diag f + diag(i) U_g diag(o)."""
    lstm, _ = make(nn.LSTM)
    with torch.no_grad():
        lstm.bias_ih_l0[2 * H : 3 * H] = 0
        lstm.bias_hh_l0[2 * H : 3 * H] = 0
    gates = lstm_gates(lstm, torch.zeros(T, INPUTS, dtype=torch.float64))
    U_g = lstm.weight_hh_l0.chunk(4)[2].detach()
    step = torch.diag(gates.f[0]) + torch.diag(gates.i[0]) @ U_g @ torch.diag(gates.o[0])
    torch.testing.assert_close(lstm_cell_jacobians(lstm, gates)[0], torch.linalg.matrix_power(step, T - 1))


def test_state_jacobians_multiply_in_decreasing_order():
    J = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    products = state_jacobians(J)
    torch.testing.assert_close(products[0], J[2] @ J[1] @ J[0])
    torch.testing.assert_close(products[2], J[2])
    torch.testing.assert_close(products[3], torch.eye(2, dtype=torch.float64))
    assert state_jacobians(J[:0]).shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("module", "x", "message"),
    [
        (nn.GRU(INPUTS, H), torch.zeros(T, INPUTS), "expected nn.LSTM"),
        (nn.LSTM(INPUTS, H, num_layers=2), torch.zeros(T, INPUTS), "one layer"),
        (nn.LSTM(INPUTS, H, bidirectional=True), torch.zeros(T, INPUTS), "one direction"),
        (nn.LSTM(INPUTS, H, proj_size=2), torch.zeros(T, INPUTS), "no projection"),
        (nn.LSTM(INPUTS, H), torch.zeros(T, INPUTS + 1), r"x: expected shape \(T, 3\)"),
        (nn.LSTM(INPUTS, H), torch.zeros(0, INPUTS), "T >= 1"),
        (nn.LSTM(INPUTS, H), torch.full((T, INPUTS), math.nan), "finite"),
    ],
)
def test_bad_input_is_named(module, x, message):
    with pytest.raises(ValueError, match=message):
        lstm_gates(module, x)


def test_bad_jacobians_are_named():
    with pytest.raises(ValueError, match="square"):
        state_jacobians(torch.zeros(3, 2, 4))
    lstm, x = make(nn.LSTM)
    with pytest.raises(ValueError, match="at least 2 steps"):
        cell_jacobians(lstm, lstm_gates(lstm, x[:1]))
