"""The exercises on random matrices."""

import mpmath
import numpy as np
import torch

from gradflow.exercises._registry import find
from gradflow.exercises.random_matrices import lyapunov
from tables import answers


def with_numpy(factors):
    Q, total = np.eye(factors.shape[-1]), 0
    for W in factors.numpy():
        Q, R = np.linalg.qr(W @ Q)
        total = total + np.log(np.abs(np.diag(R)))
    return total / len(factors)


def formed_product(factors):
    """Right as long as the product fits into float64, and no longer."""
    P = torch.eye(factors.shape[-1], dtype=factors.dtype)
    for W in factors:
        P = W @ P
    return torch.linalg.qr(P).R.diagonal().abs().log() / len(factors)


test_lyapunov = answers(
    "lyapunov",
    right=[with_numpy],
    wrong=[(formed_product, "")],
)


def test_reference_agrees_with_the_product_in_200_digits():
    g = torch.Generator().manual_seed(3)
    factors = torch.randn(30, 3, 3, generator=g, dtype=torch.float64) / 5
    with mpmath.workdps(200):
        P = mpmath.eye(3)
        for W in factors:
            P = mpmath.matrix(W.tolist()) * P
        _, R = mpmath.qr(P)
        exact = [float(mpmath.log(abs(R[i, i])) / 30) for i in range(3)]
    torch.testing.assert_close(lyapunov(factors), torch.tensor(exact, dtype=torch.float64), rtol=1e-10, atol=1e-12)


def test_lyapunov_4x4_is_the_mean_logarithm_of_a_gaussian_length():
    # chi with 4 degrees of freedom
    mean = mpmath.quad(lambda r: mpmath.log(r) * r**3 * mpmath.exp(-(r**2) / 2) / 2, [0, 1, 4, mpmath.inf])
    assert abs(float(mean) - find("lyapunov-4x4").value) < 1e-12


def test_threshold_is_where_a_2x2_gaussian_keeps_the_mean_logarithm():
    sigma = find("radius-of-factors-threshold").value
    # chi with 2 degrees of freedom
    mean = mpmath.quad(
        lambda r: mpmath.log(sigma * r / mpmath.sqrt(2)) * r * mpmath.exp(-(r**2) / 2), [0, 1, 4, mpmath.inf]
    )
    assert abs(float(mean)) < 1e-12


def test_half_mask_gain_keeps_the_mean_square():
    g = torch.Generator().manual_seed(0)
    v = torch.randn(10, generator=g, dtype=torch.float64)
    masks = (torch.rand(200_000, 10, generator=g) < 0.25).double()
    kept = (find("half-mask").value * masks * v).square().sum(1).mean() / v.square().sum()
    assert abs(kept.item() - 1) < 0.02
