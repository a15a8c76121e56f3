"""The initialisations give the matrices and biases their names promise, on torch's modules and on stacks."""

import math

import pytest
import torch
from torch import nn

from gradflow.initialization import (
    chrono_,
    forget_bias_,
    identity_,
    orthogonal_,
    orthogonal_gates_,
)
from gradflow.recurrent import ParallelGRU, ParallelLSTM


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def lstms(hidden=16):
    return [nn.LSTM(3, hidden, num_layers=2), ParallelLSTM(4, 3, hidden, generator=generator())]


def gate_biases(lstm, gate):
    """Sums of both biases of one gate (order i, f, g, o), all layers or networks in one vector."""
    pairs = zip(
        [p for name, p in lstm.named_parameters() if name.startswith("bias_ih")],
        [p for name, p in lstm.named_parameters() if name.startswith("bias_hh")],
        strict=True,
    )
    return torch.cat([(a + b).unflatten(-1, (4, -1))[..., gate, :].flatten() for a, b in pairs])


def test_identity_scales_every_matrix_of_a_stack():
    W = identity_(torch.randn(2, 3, 5, 5), gain=0.5)
    assert torch.equal(W, 0.5 * torch.eye(5).expand(2, 3, 5, 5))


@pytest.mark.parametrize("shape", [(6, 6), (4, 6, 6), (2, 3, 6, 6)])
def test_each_matrix_of_an_orthogonal_stack_is_orthogonal_and_its_own(shape):
    W = orthogonal_(torch.empty(shape, dtype=torch.float64), gain=1.5, generator=generator())
    torch.testing.assert_close(W.mT @ W, 2.25 * torch.eye(6, dtype=torch.float64).expand(shape))
    matrices = W.reshape(-1, 36)
    assert torch.unique(matrices, dim=0).shape[0] == matrices.shape[0]


@pytest.mark.parametrize(
    "cell",
    [
        nn.LSTM(3, 8),
        nn.GRU(3, 8),
        ParallelLSTM(2, 3, 8, generator=generator()),
        ParallelGRU(2, 3, 8, generator=generator()),
    ],
)
def test_each_gate_gets_an_orthogonal_block(cell):
    orthogonal_gates_(cell, generator=generator())
    blocks = cell.weight_hh_l0.detach().unflatten(-2, (-1, 8))
    torch.testing.assert_close(blocks.mT @ blocks, torch.eye(8).expand_as(blocks), atol=1e-5, rtol=0)


@pytest.mark.parametrize("lstm", lstms())
def test_forget_bias_is_the_sum_of_both_biases_and_touches_no_other_gate(lstm):
    before = [gate_biases(lstm, gate).detach() for gate in range(4)]
    forget_bias_(lstm, 1.5)
    for gate in (0, 2, 3):
        assert torch.equal(gate_biases(lstm, gate), before[gate])
    assert torch.equal(gate_biases(lstm, 1), torch.full_like(before[1], 1.5))


@pytest.mark.parametrize("lstm", lstms(hidden=200))
def test_chrono_biases_cover_the_lags_and_the_input_gate_mirrors_them(lstm):
    chrono_(lstm, 50, generator=generator())
    forget = gate_biases(lstm, 1)
    assert forget.min() >= 0 and forget.max() <= math.log(49)
    torch.testing.assert_close(gate_biases(lstm, 0), -forget)
    memory = forget.exp()  # U(1, 49): mean 25, standard deviation 48/sqrt(12)
    assert memory.mean().item() == pytest.approx(25, abs=4 * 48 / math.sqrt(12 * len(memory)))
    assert gate_biases(lstm, 2).abs().max() == 0 and gate_biases(lstm, 3).abs().max() == 0


def test_a_part_of_a_parameter_stack_can_be_initialised_alone():
    W = nn.Parameter(torch.zeros(4, 5, 5))
    orthogonal_(W[2:], generator=generator())
    assert W[:2].abs().max() == 0
    torch.testing.assert_close(W[2:].mT @ W[2:], torch.eye(5).expand(2, 5, 5), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: identity_(torch.zeros(3, 4)), "W"),
        (lambda: identity_(torch.zeros(3, 3), math.nan), "gain"),
        (lambda: orthogonal_(torch.zeros(2, 3, 4), generator=generator()), "W"),
        (lambda: orthogonal_(torch.zeros(3, 3), 0.0, generator=generator()), "gain"),
        (lambda: orthogonal_gates_(nn.RNN(2, 3), generator=generator()), "cell"),
        (lambda: orthogonal_gates_(nn.Linear(2, 3), generator=generator()), "cell"),
        (lambda: chrono_(nn.GRU(2, 3), 50, generator=generator()), "lstm"),
        (lambda: chrono_(nn.LSTM(2, 3), 2, generator=generator()), "max_lag"),
        (lambda: forget_bias_(nn.LSTM(2, 3), math.inf), "value"),
    ],
)
def test_bad_arguments_are_named(call, argument):
    with pytest.raises(ValueError, match=f"^{argument}:"):
        call()
