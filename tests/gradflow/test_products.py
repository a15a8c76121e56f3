"""The four ways to a scaled product of Jacobians: which one is taken, and that none loses what another keeps."""

import math

import pytest
import torch

from gradflow import _products
from gradflow.jacobians import scaled_jacobian_product
from gradflow.recurrent import driven_run


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tanh_slopes(W, T, seed=1):
    return driven_run(W, gaussian(T, len(W), seed=seed) / 2, "tanh")[1]


def exact_product(W, slopes):
    """In float64, divided by the norm after every factor."""
    P, log_norm = torch.eye(W.shape[-1], dtype=torch.float64), 0.0
    for W_t, slope in zip(W.double().expand(len(slopes), -1, -1), slopes.double(), strict=True):
        P = slope[:, None] * (W_t @ P)
        log_norm += P.norm().log().item()
        P /= P.norm()
    return P, log_norm


def relative_error(W, slopes):
    (P, log_norm), (exact, log_exact) = scaled_jacobian_product(W, slopes), exact_product(W, slopes)
    return float((P.double() * math.exp(float(log_norm) - log_exact) - exact).norm())


@pytest.fixture
def ways(monkeypatch):
    """The ways that were tried, in order."""
    tried = []
    for name in ("tree", "low_rank", "whole", "careful"):
        way = getattr(_products, f"_{name}_product")

        def remembered(*arguments, name=name, way=way):
            tried.append(name)
            return way(*arguments)

        monkeypatch.setattr(_products, f"_{name}_product", remembered)
    return tried


@pytest.mark.parametrize(("D", "T"), [(40, 400), (64, 250), (64, 1000)])
@pytest.mark.parametrize("gain", [0.7, 1.0, 2.0])
def test_a_long_product_of_dense_factors_goes_through_few_directions_and_loses_nothing(ways, D, T, gain):
    W = gain * gaussian(D, D) / D**0.5
    slopes = tanh_slopes(W, T)
    W, slopes = W.float(), slopes.float()
    error = relative_error(W, slopes)
    assert ways == ["low_rank"]
    (P, log_norm), (exact, log_exact) = _products._whole_product(W, slopes, 4), exact_product(W, slopes)
    rounding = float((P.double() * math.exp(float(log_norm) - log_exact) - exact).norm())
    assert error < 3 * rounding + 1e-5


@pytest.mark.parametrize(("D", "T"), [(2, 200), (16, 203), (32, 1000)])
@pytest.mark.parametrize("gain", [0.7, 1.0, 2.0])
def test_a_small_network_over_many_steps_is_multiplied_in_pairs_and_loses_nothing(ways, D, T, gain):
    W = gain * gaussian(D, D) / D**0.5
    slopes = tanh_slopes(W, T)
    W, slopes = W.float(), slopes.float()
    error = relative_error(W, slopes)
    assert ways == ["tree"]
    (P, log_norm), (exact, log_exact) = _products._whole_product(W, slopes, 4), exact_product(W, slopes)
    rounding = float((P.double() * math.exp(float(log_norm) - log_exact) - exact).norm())
    assert error < 10 * rounding + 1e-5


@pytest.mark.parametrize("T", [1, 2, 3, 7, 64, 100])
@pytest.mark.parametrize("per_step", [False, True])
def test_pairs_of_a_batch_are_right_for_every_number_of_factors(monkeypatch, T, per_step):
    """As on a GPU, in pieces of five factors, in float64 to the last digits."""
    monkeypatch.setattr(_products, "_MOST_ELEMENTS", 5 * 2 * 9 * 9)
    W = gaussian(T, 9, 9) if per_step else gaussian(9, 9)
    slopes = gaussian(T, 2, 9, seed=1).sigmoid()
    P, log_norm = _products._tree_product(W, slopes)
    assert P.shape == (2, 9, 9) and log_norm.shape == (2,) and log_norm.dtype == torch.float64
    for b in range(2):
        exact, log_exact = exact_product(W, slopes[:, b])
        torch.testing.assert_close(P[b], exact, rtol=0, atol=1e-11)
        assert float(log_norm[b]) == pytest.approx(log_exact, abs=1e-11)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    ("coupling", "lag"), [(0.0, 0.9), (0.0, 0.5), (1e-9, 0.9), (1e-5, 0.9), (1e-3, 0.9), (0.1, 0.98)]
)
def test_pairs_are_right_or_know_that_they_lost_digits(coupling, lag, early):
    W, slopes = twins(1000, coupling, lag, early)
    exact, log_exact = exact_product(W, slopes)
    try:
        P, log_norm = _products._tree_product(W, slopes)
    except _products._DigitsLostError:
        assert coupling < 1e-3  # one block has fallen behind so far that only its own rounding errors come back
    else:
        assert float((P.double() * math.exp(float(log_norm) - log_exact) - exact).norm()) < 2e-4


def test_sequences_of_a_batch_keep_their_own_products(ways):
    W = gaussian(48, 48) / 48**0.5
    slopes = torch.stack([tanh_slopes(W, 1200, seed=seed) for seed in (1, 2, 3)], dim=1)
    P, log_norm = scaled_jacobian_product(W, slopes)
    assert ways == ["low_rank"] and P.shape == (3, 48, 48) and log_norm.shape == (3,)
    for b in range(3):
        exact, log_exact = exact_product(W, slopes[:, b])
        torch.testing.assert_close(P[b], exact, rtol=0, atol=1e-11)
        assert float(log_norm[b]) == pytest.approx(log_exact, abs=1e-11)


def test_one_matrix_per_step_goes_through_few_directions_too(ways):
    W, slopes = gaussian(400, 40, 40).float() / 40**0.5, gaussian(400, 40, seed=1).sigmoid().float()
    assert relative_error(W, slopes) < 1e-4
    assert ways == ["low_rank"]


def test_singular_values_that_do_not_part_need_the_whole_product(ways):
    Q = torch.linalg.qr(gaussian(64, 64)).Q.float()
    assert relative_error(Q, torch.ones(1000, 64)) < 1e-4
    assert ways == ["low_rank", "whole"]


def twins(T, coupling=0.0, lag=0.9, early=True):
    """Two copies of one network, hardly coupled: one falls behind by many orders of magnitude, then the other."""
    block = gaussian(32, 32) / 32**0.5
    W = torch.block_diag(block, block) + coupling * gaussian(64, 64, seed=1)
    slopes = gaussian(T, 32, seed=2).sigmoid().repeat(1, 2)
    first, second = (slice(0, T // 2), slice(T // 2, T)) if early else (slice(T // 3, T * 2 // 3), slice(T * 2 // 3, T))
    slopes[first, 32:] *= lag
    slopes[second, :32] *= lag
    return W.float(), slopes.float()


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(("coupling", "lag"), [(0.0, 0.9), (0.0, 0.5), (1e-9, 0.9), (1e-5, 0.9), (1e-3, 0.9)])
def test_directions_that_come_back_are_not_lost(coupling, lag, early):
    assert relative_error(*twins(1000, coupling, lag, early)) < 2e-4


@pytest.mark.parametrize(("T", "early"), [(1000, True), (1800, False)])
def test_the_last_row_notices_that_something_came_back(ways, monkeypatch, T, early):
    """Blocks are not sent this way; if they were, early or late, they would be noticed and multiplied whole."""
    monkeypatch.setattr(_products, "_is_dense", lambda W: True)
    assert relative_error(*twins(T, early=early)) < 2e-4
    assert ways == ["low_rank", "whole"]


@pytest.mark.parametrize(
    "W",
    [
        torch.eye(32),
        torch.eye(32).roll(1, 0),
        (gaussian(32, 32) / 8).tril().float() + 0.5 * torch.eye(32),
        torch.block_diag(gaussian(31, 31).float() / 6, torch.ones(1, 1)),
    ],
    ids=["identity", "permutation", "triangular", "one unit alone"],
)
def test_what_falls_into_blocks_is_multiplied_with_care(ways, W):
    slopes = tanh_slopes(W.double(), 1000).float()
    assert relative_error(W, slopes) < 1e-6
    assert ways == ["careful"]


def test_a_diagonal_product_keeps_the_entry_that_was_far_behind(ways):
    slopes = torch.tensor([[1.0, 0.5]] * 200 + [[0.5, 1.0]] * 200)
    P, log_norm = scaled_jacobian_product(torch.eye(2), slopes)
    torch.testing.assert_close(P, torch.eye(2) / 2**0.5)
    assert float(log_norm) == pytest.approx(-200 * math.log(2) + math.log(2) / 2)


@pytest.mark.parametrize("exponent", [20, 28, 30, 34])
def test_weights_and_slopes_of_very_different_sizes_keep_their_digits(exponent):
    Q = torch.linalg.qr(gaussian(8, 8)).Q.float()
    for sign in (1, -1):
        assert relative_error(Q * 10.0 ** (sign * exponent), torch.full((60, 8), 10.0 ** (-sign * exponent - 1))) < 1e-5


@pytest.mark.parametrize("step", [5, 500, 900, 1500])
def test_one_dead_step_makes_the_product_zero_wherever_it_stands(step):
    W = gaussian(32, 32).float() / 32**0.5
    slopes = tanh_slopes(W.double(), 2000).float()
    slopes[step] = 0
    P, log_norm = scaled_jacobian_product(W, slopes)
    assert P.count_nonzero() == 0 and log_norm.isfinite()


def test_dead_slopes_give_zero_and_an_empty_batch_gives_nothing():
    P, log_norm = scaled_jacobian_product(1e20 * torch.ones(4, 4), torch.zeros(3, 4))
    assert P.count_nonzero() == 0 and log_norm.isfinite()
    P, log_norm = scaled_jacobian_product(torch.ones(2, 2), torch.ones(3, 0, 2))
    assert P.shape == (0, 2, 2) and log_norm.shape == (0,)


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 3e38), (torch.float64, 1.7e308)])
def test_factors_that_only_just_fit_do_not_overflow(dtype, size):
    P, log_norm = scaled_jacobian_product(torch.full((3, 3), size, dtype=dtype), torch.ones(4, 3, dtype=dtype))
    torch.testing.assert_close(P, torch.full((3, 3), 1 / 3, dtype=dtype))
    assert float(log_norm) == pytest.approx(4 * (math.log(size) + math.log(3)), rel=1e-7)


def test_factors_that_leave_the_range_are_multiplied_with_care(ways):
    W = torch.linalg.qr(gaussian(40, 40)).Q.float()
    for scale in (1e-25, 1e-4, 1e25):
        assert relative_error(W * scale, torch.ones(300, 40)) < 1e-4
        assert ways[-1] == "careful"


def test_factors_that_grow_fast_are_divided_more_often():
    W = torch.linalg.qr(gaussian(40, 40)).Q.float()
    assert relative_error(W * 1e3, torch.ones(8, 40)) < 1e-5


def test_the_product_may_meet_autograd_afterwards():
    W = gaussian(32, 32) / 32**0.5
    P, log_norm = scaled_jacobian_product(W, tanh_slopes(W, 300))
    parameter = torch.ones(32, dtype=torch.float64, requires_grad=True)
    ((P @ parameter).square().sum() * log_norm).backward()
    assert parameter.grad.isfinite().all()
