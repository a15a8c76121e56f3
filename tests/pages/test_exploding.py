"""The claims of the page on clipping, at a smaller size."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from gradflow.experiments.bptt.contributions import noisy_run, recurrent_matrix
from gradflow.experiments.exploding.truncation import random_rnn, truncated_gradient
from gradflow.initialization import identity_
from gradflow.jacobians import bptt_terms
from gradflow.recurrent import ParallelRNN, SequenceModel
from gradflow.tasks import adding_problem, mean_squared_error
from gradflow.training import train

numbers = st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6)
gradients = st.lists(numbers, min_size=1, max_size=12).filter(any)


def clip(function, values, dtype=torch.float64, **options):
    parameter = nn.Parameter(torch.zeros(len(values), dtype=dtype))
    parameter.grad = torch.tensor(values, dtype=dtype)
    function([parameter], 1.0, **options)
    return parameter.grad


@given(gradients)
def test_norm_clipping_keeps_the_direction_and_bounds_the_length(values):
    g, clipped = torch.tensor(values, dtype=torch.float64), clip(clip_grad_norm_, values)
    assert clipped.norm() <= 1 + 1e-12
    assert torch.cosine_similarity(g, clipped, dim=0) > 1 - 1e-9


@given(gradients)
def test_value_clipping_keeps_an_acute_angle_of_cosine_at_least_one_over_root_n(values):
    g, clipped = torch.tensor(values, dtype=torch.float64), clip(clip_grad_value_, values)
    cosine = (g @ clipped) / (g.norm() * clipped.norm())
    assert cosine >= len(values) ** -0.5 * (1 - 1e-9)
    assert clipped.norm() <= len(values) ** 0.5 * (1 + 1e-12)


def test_that_bound_is_sharp():
    g = [1e9] + [1.0] * 99
    cosine = torch.cosine_similarity(torch.tensor(g, dtype=torch.float64), clip(clip_grad_value_, g), dim=0)
    assert abs(cosine - 0.1) < 1e-6


@pytest.mark.parametrize(
    ("values", "expected"),
    [((1e25, 1.0), (0.0, 0.0)), ((math.inf, 1.0), (math.nan, 0.0)), ((math.nan, 1.0), (math.nan, math.nan))],
)
def test_what_clip_grad_norm_does_in_silence(values, expected):
    clipped = clip(clip_grad_norm_, values, dtype=torch.float32)
    torch.testing.assert_close(clipped, torch.tensor(expected), equal_nan=True)
    with pytest.raises(RuntimeError, match="non-finite"):
        clip(clip_grad_norm_, values, dtype=torch.float32, error_if_nonfinite=True)


def test_value_clipping_hides_an_infinity_and_lets_nan_through():
    clipped = clip(clip_grad_value_, (math.inf, math.nan))
    assert clipped[0] == 1 and clipped[1].isnan()


@given(st.floats(-3, 3), st.lists(st.floats(-100, 100), min_size=1, max_size=6), st.floats(0.01, 50))
def test_symmetric_noise_never_flips_the_sign_of_the_clipped_mean(mu, noise, c):
    xi = torch.tensor(noise + [-x for x in noise], dtype=torch.float64)
    assert mu * (mu + xi).clamp(-c, c).mean() >= -1e-9


def test_clipping_single_examples_leads_to_the_huber_centre_and_clipping_the_batch_to_the_mean():
    def settle(batch):
        generator = torch.Generator().manual_seed(0)
        theta = torch.zeros(50)
        for _ in range(1500):
            rare = torch.rand(50, batch, generator=generator) < 0.2
            gradient = theta - torch.where(rare, -10.0, 1.0).mean(1)
            theta = theta - 0.02 * gradient.clamp(-1, 1)
        return theta.mean().item()

    # 0.8 (theta - 1) + 0.2 = 0 is where the clipped gradients balance
    assert abs(settle(1) - 0.75) < 0.06
    assert abs(settle(64) + 1.2) < 0.1


def test_clipping_decides_whether_an_irnn_learns_to_add():
    def solved(threshold):
        generator = torch.Generator().manual_seed(0)
        cell = ParallelRNN(6, 2, 24, "relu", generator=generator)
        identity_(cell.W)
        nn.init.zeros_(cell.b)
        model = SequenceModel(cell, 1, generator=generator)
        return train(
            model,
            lambda: adding_problem(40, 6, 20, generator=generator),
            mean_squared_error,
            steps=450,
            lr=3e-3,
            clip=threshold,
            goal=0.06,
        ).solved.sum()

    assert solved(1.0) >= 5
    assert solved(math.inf) <= 3


def test_dropped_lags_cost_no_more_than_the_geometric_tail():
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        W = 0.7 * recurrent_matrix("orthogonal", 8, generator=generator)
        states, slopes, loss_grads = noisy_run(W, 30, generator=generator)
        terms = bptt_terms(W, states, slopes, loss_grads)
        alpha, beta = loss_grads.norm(dim=1).max(), states.norm(dim=1).max()
        for K in range(1, 30):
            assert terms[K:].sum(0).norm() <= alpha * beta * 30 * 0.7**K / 0.3


def test_long_links_are_lost_beside_the_short_ones_in_a_default_network():
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        rnn = random_rnn(2, 32, 1.0, generator=generator)
        nn.init.uniform_(rnn.weight_hh_l0, -(32**-0.5), 32**-0.5, generator=generator)
        x = torch.randn(60, 4, 2, generator=generator, dtype=torch.float64)
        readout = torch.zeros(60, 4, 32, dtype=torch.float64)
        readout[-1] = torch.randn(4, 32, generator=generator, dtype=torch.float64)
        full, near = (truncated_gradient(rnn, x, readout, k) for k in (60, 20))
        assert (full - near).norm() < 1e-4 * full.norm()
