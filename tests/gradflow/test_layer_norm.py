"""Layer normalization against autograd and closed forms."""

import math

import pytest
import torch
from torch import nn

from gradflow.layer_norm import gradient_growth, layer_norm_jacobian

FUNCTIONS = [torch.relu, torch.tanh, nn.functional.gelu, torch.sigmoid, nn.functional.silu]


def vector(size=10, seed=0):
    return 3 * torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 1


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.7])
@pytest.mark.parametrize("size", [2, 3, 10])
def test_jacobian_is_autograd(size, eps):
    x = vector(size)
    exact = torch.autograd.functional.jacobian(lambda v: nn.functional.layer_norm(v, v.shape, eps=eps), x)
    torch.testing.assert_close(layer_norm_jacobian(x, eps), exact, rtol=1e-9, atol=1e-12)


def test_spectrum_is_two_zeros_and_the_inverse_spread():
    x = vector()
    eigenvalues = torch.linalg.eigvalsh(layer_norm_jacobian(x))
    expected = torch.tensor([0.0] * 2 + [1.0] * 8, dtype=torch.float64) / x.std(correction=0)
    torch.testing.assert_close(eigenvalues, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_growth_after_is_never_below_one(function, sigma):
    assert gradient_growth(function, "after", sigma) > 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_growth_before_is_at_least_the_share_of_variance(function):
    z = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = function(z)
    share = 1 - y.mean() ** 2 / y.square().mean()
    assert gradient_growth(function, "before") > share.item() * 0.99


def test_closed_forms():
    assert gradient_growth(torch.relu, "after") == pytest.approx(math.pi / (math.pi - 1), rel=1e-6)
    assert gradient_growth(torch.relu, "before") == pytest.approx(1, rel=1e-6)
    assert gradient_growth(lambda a: 3 * a - 7, "after", 0.4) == pytest.approx(1, rel=1e-9)
    # ψ = He_2: the mean Hermite degree is 2; ψ = z³ = He_3 + 3 He_1: (3·6 + 9) / (6 + 9)
    assert gradient_growth(torch.square, "after") == pytest.approx(2, rel=1e-6)
    assert gradient_growth(lambda a: a**3, "after") == pytest.approx(27 / 15, rel=1e-6)


def test_scale_of_the_weights_matters_only_after_the_activation():
    """sigm(2a) = (1 + tanh a) / 2, and normalization removes both constants."""
    assert gradient_growth(torch.sigmoid, "after", 2.0) == pytest.approx(gradient_growth(torch.tanh, "after"), rel=1e-9)
    assert gradient_growth(torch.tanh, "before", 2.0) == gradient_growth(torch.tanh, "before", 1.0)


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_growth_with_biases_is_at_least_the_share_of_the_weights(sigma):
    for function in FUNCTIONS:
        assert gradient_growth(function, "after", sigma, bias=1.0) > sigma**2 / (sigma**2 + 1)
    assert gradient_growth(torch.relu, "before", sigma, bias=1.0) == pytest.approx(sigma**2 / (sigma**2 + 2), rel=1e-6)
