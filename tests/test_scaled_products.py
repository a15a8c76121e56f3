"""The three ways to a scaled product of Jacobians: which one is taken, and that none loses what another keeps."""

import math

import pytest
import torch

from gradflow import _products
from gradflow.jacobians import scaled_jacobian_product


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tanh_slopes(W, T, seed=1):
    h, slopes = torch.zeros(len(W), dtype=W.dtype), []
    for x in gaussian(T, len(W), seed=seed) / 2:
        h = torch.tanh(W @ h + x)
        slopes.append(1 - h**2)
    return torch.stack(slopes)


def exact_product(W, slopes):
    """In float64, divided by the norm after every factor."""
    P, log_scale = torch.eye(W.shape[-1], dtype=torch.float64), 0.0
    for slope in slopes.double():
        P = slope[:, None] * (W.double() @ P)
        log_scale += P.norm().log().item()
        P /= P.norm()
    return P, log_scale


def relative_error(W, slopes):
    (P, log_scale), (exact, log_exact) = scaled_jacobian_product(W, slopes), exact_product(W, slopes)
    return float((P.double() * math.exp(float(log_scale) - log_exact) - exact).norm())


@pytest.fixture
def ways(monkeypatch):
    """The ways that were tried, in order."""
    tried = []
    for name in ("low_rank", "whole", "careful"):
        way = getattr(_products, f"_{name}_product")

        def remembered(*arguments, name=name, way=way):
            tried.append(name)
            return way(*arguments)

        monkeypatch.setattr(_products, f"_{name}_product", remembered)
    return tried


@pytest.mark.parametrize(("D", "T"), [(32, 300), (64, 250), (64, 1000)])
@pytest.mark.parametrize("gain", [0.7, 1.0, 2.0])
def test_a_long_product_of_dense_factors_goes_through_few_directions_and_loses_nothing(ways, D, T, gain):
    W = gain * gaussian(D, D) / D**0.5
    slopes = tanh_slopes(W, T)
    W, slopes = W.float(), slopes.float()
    error = relative_error(W, slopes)
    assert ways == ["low_rank"]
    (P, log_scale), (exact, log_exact) = _products._whole_product(W, slopes, 4), exact_product(W, slopes)
    rounding = float((P.double() * math.exp(float(log_scale) - log_exact) - exact).norm())
    assert error < 3 * rounding + 1e-5


def test_sequences_of_a_batch_keep_their_own_products(ways):
    W = gaussian(48, 48) / 48**0.5
    slopes = torch.stack([tanh_slopes(W, 1200, seed=seed) for seed in (1, 2, 3)], dim=1)
    P, log_scale = scaled_jacobian_product(W, slopes)
    assert ways == ["low_rank"] and P.shape == (3, 48, 48) and log_scale.shape == (3,)
    for b in range(3):
        exact, log_exact = exact_product(W, slopes[:, b])
        torch.testing.assert_close(P[b], exact, rtol=0, atol=1e-11)
        assert float(log_scale[b]) == pytest.approx(log_exact, abs=1e-11)


def test_one_matrix_per_step_goes_through_few_directions_too(ways):
    W, slopes = gaussian(300, 32, 32) / 32**0.5, gaussian(300, 32, seed=1).sigmoid()
    P, log_scale = scaled_jacobian_product(W, slopes)
    assert ways == ["low_rank"]
    exact, log_exact = torch.eye(32, dtype=torch.float64), 0.0
    for W_t, slope in zip(W, slopes, strict=True):
        exact = slope[:, None] * (W_t @ exact)
        log_exact += exact.norm().log().item()
        exact /= exact.norm()
    torch.testing.assert_close(P, exact, rtol=0, atol=1e-11)
    assert float(log_scale) == pytest.approx(log_exact, abs=1e-11)


def test_singular_values_that_do_not_part_need_the_whole_product(ways):
    Q = torch.linalg.qr(gaussian(64, 64)).Q.float()
    assert relative_error(Q, torch.ones(1000, 64)) < 1e-4
    assert ways == ["low_rank", "whole"]


@pytest.mark.parametrize("coupling", [0.0, 1e-9, 1e-5])
def test_directions_that_come_back_are_not_lost(ways, coupling):
    """Two copies of one network, hardly coupled: first one falls behind by 23 orders of magnitude, then the other."""
    block = gaussian(32, 32) / 32**0.5
    W = torch.block_diag(block, block) + coupling * gaussian(64, 64, seed=1)
    slopes = gaussian(1000, 32, seed=2).sigmoid().repeat(1, 2)
    slopes[:500, :32] *= 0.9
    slopes[500:, 32:] *= 0.9
    assert relative_error(W.float(), slopes.float()) < 2e-4
    assert ways[0] == "low_rank" and (coupling > 0 or ways == ["low_rank", "whole"])


def test_a_direction_that_comes_back_late_is_noticed(ways):
    """It falls behind only after the first directions have been chosen, within the factors that multiply few rows."""
    block = gaussian(32, 32) / 32**0.5
    W = torch.block_diag(block, block)
    slopes = gaussian(2000, 32, seed=2).sigmoid().repeat(1, 2)
    slopes[600:1200, 32:] *= 0.9
    slopes[1200:1800, :32] *= 0.9
    assert relative_error(W.float(), slopes.float()) < 2e-4
    assert ways == ["low_rank", "whole"]


def test_factors_that_leave_the_range_are_multiplied_with_care(ways):
    W = torch.linalg.qr(gaussian(40, 40)).Q.float()
    for scale in (1e-25, 1e25):
        assert relative_error(W * scale, torch.ones(300, 40)) < 1e-4
        assert ways[-1] == "careful"


def test_factors_that_grow_fast_are_divided_more_often():
    W = torch.linalg.qr(gaussian(40, 40)).Q.float()
    assert relative_error(W * 1e3, torch.ones(8, 40)) < 1e-5


def test_the_product_may_meet_autograd_afterwards():
    W = gaussian(32, 32) / 32**0.5
    P, log_scale = scaled_jacobian_product(W, tanh_slopes(W, 300))
    parameter = torch.ones(32, dtype=torch.float64, requires_grad=True)
    ((P @ parameter).square().sum() * log_scale).backward()
    assert parameter.grad.isfinite().all()
