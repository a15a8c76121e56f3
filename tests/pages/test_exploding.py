"""The claims of the page on clipping, at a smaller size."""

import contextlib
import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from gradflow.experiments.bptt.contributions import noisy_run, recurrent_matrix
from gradflow.experiments.exploding.bias import balance
from gradflow.experiments.exploding.truncation import random_rnn, truncated_gradient
from gradflow.initialization import identity_
from gradflow.jacobians import bptt_terms
from gradflow.recurrent import ParallelRNN, SequenceModel, join
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


def test_balance_is_where_the_mean_clipped_gradient_of_all_batches_is_zero():
    for batch, rounded in ((1, 0.75), (2, 0.44), (3, 0.05), (4, -1.19), (5, -1.04)):
        theta = balance(batch)
        assert abs(theta - rounded) < 0.005
        mean = 0.0
        for z in itertools.product((1.0, -10.0), repeat=batch):
            probability = math.prod(0.8 if value == 1 else 0.2 for value in z)
            mean += probability * max(-1, min(1, theta - sum(z) / batch))
        assert abs(mean) < 1e-9


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_descent_on_clipped_gradients_settles_at_the_balance(batch):
    generator = torch.Generator().manual_seed(0)
    theta = torch.zeros(50)
    for _ in range(1500):
        rare = torch.rand(50, batch, generator=generator) < 0.2
        gradient = theta - torch.where(rare, -10.0, 1.0).mean(1)
        theta = theta - 0.02 * gradient.clamp(-1, 1)
    assert abs(theta.mean().item() - balance(batch)) < 0.1


def test_clipped_gradient_of_two_unequal_parameters_is_no_gradient_of_anything():
    def field(theta, diagonal):
        g = torch.tensor(diagonal, dtype=torch.float64) * theta
        return g / g.norm()

    theta = torch.tensor([3.0, 1.0], dtype=torch.float64)
    unequal, equal = (torch.func.jacrev(field)(theta, diagonal) for diagonal in ((1.0, 10.0), (2.0, 2.0)))
    # the derivative of g / |g| is (I - gg'/|g|^2) A / |g| with g = (3, 10)
    expected = -30 / 109**1.5
    assert unequal[0, 1] == pytest.approx(10 * expected) and unequal[1, 0] == pytest.approx(expected)
    torch.testing.assert_close(equal, equal.T)


def test_norms_of_half_precision_overflow_at_the_largest_number_and_of_others_at_its_root():
    def norm(dtype, *values):
        parameters = [nn.Parameter(torch.zeros(2, dtype=dtype)) for _ in values]
        for parameter, value in zip(parameters, values, strict=True):
            parameter.grad = torch.tensor([value, 0.0], dtype=dtype)
        return clip_grad_norm_(parameters, 1.0).item()

    assert norm(torch.float16, 60000.0) == 60000
    assert norm(torch.float16, 50000.0, 50000.0) == math.inf
    for dtype in (torch.bfloat16, torch.float32):
        root = torch.finfo(dtype).max ** 0.5
        assert norm(dtype, 0.97 * root) < math.inf and norm(dtype, 1.03 * root) == math.inf


@pytest.mark.parametrize(("flag", "last"), [(False, 4096), (True, 65536)])
def test_the_flag_keeps_a_scaler_from_finding_its_scale(flag, last):
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scaler = torch.amp.GradScaler("cpu")
    for _ in range(6):
        optimizer.zero_grad()
        with contextlib.suppress(RuntimeError):
            scaler.scale((10 * weight.half()).float().sum()).backward()
            scaler.unscale_(optimizer)
            clip_grad_norm_([weight], 1.0, error_if_nonfinite=flag)
            scaler.step(optimizer)
            scaler.update()
    assert scaler.get_scale() == last
    assert (weight.item() < 1) != flag


def irnn(nets, copies, generator, hidden_size=32):
    cell = ParallelRNN(nets, 2, hidden_size, "relu", generator=generator)
    identity_(cell.W)
    nn.init.zeros_(cell.b)
    return join([SequenceModel(cell, 1, generator=generator)] * copies)


def test_clipping_decides_whether_an_irnn_learns_to_add_even_far_below_the_usual_norm():
    """Runs without clipping are chaotic: their count differs from processor to processor, hence the margins."""
    nets, thresholds = 8, torch.tensor([0.1, 1.0, math.inf])
    generator = torch.Generator().manual_seed(0)
    model = irnn(nets, 3, generator)

    def same_for_all():
        x, y = adding_problem(50, nets, 20, generator=generator)
        return x.repeat(1, 3, 1, 1), y.repeat(3, 1, 1)

    history = train(
        model,
        same_for_all,
        mean_squared_error,
        steps=450,
        lr=3e-3,
        clip=thresholds.repeat_interleave(nets),
        goal=0.08,
    )
    low, one, free = history.solved.unflatten(0, (3, nets)).sum(1)
    assert history.grad_norm[:, nets : 2 * nets].nanmedian() > 3
    assert low >= 6 and one >= 6 and free <= 4


def test_adam_does_not_notice_a_common_factor():
    losses = []
    for factor in (1.0, 0.1):
        generator = torch.Generator().manual_seed(0)
        history = train(
            irnn(3, 1, generator, hidden_size=16),
            lambda g=generator: adding_problem(10, 3, 20, generator=g),
            lambda output, y, factor=factor: factor * mean_squared_error(output, y),
            steps=20,
            lr=1e-3,
        )
        losses.append(history.loss / factor)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-3, atol=0)


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
