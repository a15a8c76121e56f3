"""Mean-field theory of a deep random network: the variance of the pre-activations and the factor chi.

A layer is h = tanh(a), a = W h' + b with W_ij ~ N(0, sigma_w² / N), b_i ~ N(0, sigma_b²). In the limit of infinite
width a_i ~ N(0, q) with q_l = sigma_w² E tanh(sqrt(q_{l-1}) z)² + sigma_b², and the mean square of the gradient is
multiplied by chi = sigma_w² E tanh'(sqrt(q) z)² per layer.

Source: Poole et al., NeurIPS 2016; Schoenholz et al., ICLR 2017; Pennington et al., NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from gradflow._quadrature import GAUSSIAN_NODES, GAUSSIAN_WEIGHTS
from gradflow._validation import require_count, require_number, require_positive
from gradflow.jacobians import step_jacobian, vjp_log_norms
from gradflow.networks import gaussian_weights
from gradflow.recurrent import driven_run


def stationary_variance(sigma_w: float, sigma_b: float = 0.0) -> float:
    """The largest variance q of tanh pre-activations that a layer reproduces.

    The variance of the next layer is a concave function of q, so it lies above q on one side of the answer and below it
    on the other: bisection finds it even at the edge of chaos, where layer after layer approaches it ever more slowly.
    """
    require_positive("sigma_w", sigma_w)
    require_number("sigma_b", sigma_b)
    low, high = 0.0, sigma_w**2 + sigma_b**2
    while high - low > 1e-12:
        q = (low + high) / 2
        if sigma_w**2 * _mean(_tanh_squared, q) + sigma_b**2 > q:
            low = q
        else:
            high = q
    return (low + high) / 2


def chi(sigma_w: float, sigma_b: float = 0.0) -> float:
    """Factor of the mean squared gradient per tanh layer at the stationary variance."""
    return sigma_w**2 * _mean(_slope_squared, stationary_variance(sigma_w, sigma_b))


def level_curve(factor: float, variances: Tensor) -> tuple[Tensor, Tensor]:
    """The points (sigma_w, sigma_b) at which chi is ``factor``, one for each stationary variance.

    Args:
        factor: positive chi; 1 gives the edge of chaos.
        variances: ``(Q,)``, positive q. Those that no sigma_b reaches are left out.

    Returns:
        sigma_w and sigma_b, each of at most Q elements.
    """
    factor = require_positive("factor", factor)
    q = variances.double().tolist()
    sigma_w = torch.tensor([factor / _mean(_slope_squared, v) for v in q], dtype=torch.float64).sqrt()
    signal = torch.tensor([_mean(_tanh_squared, v) for v in q], dtype=torch.float64)
    left = variances.double() - sigma_w.square() * signal
    return sigma_w[left >= 0], left[left >= 0].sqrt()


def log_gradient(sigma_w: float, sigma_b: float, width: int, depth: int, *, generator: Generator) -> Tensor:
    """How long the gradient is in a random tanh network, layer by layer.

    The forward pass first runs ``depth`` layers to become stationary; a random vector then goes back through ``depth``
    more.

    Returns:
        ``(depth,)``: log ‖∂L/∂h_l‖ over that of the last layer, from the first layer to the last but one.
    """
    require_count("depth", depth)
    weights = gaussian_weights(2 * depth, width, sigma_w, generator=generator)
    biases = sigma_b * torch.randn(2 * depth, width, generator=generator)
    start, v = torch.randn(2, width, generator=generator)
    _, slopes = driven_run(weights, biases, "tanh", start)
    return vjp_log_norms(weights[depth:], slopes[depth:], v / v.norm())


def measured_chi(sigma_w: float, width: int, depth: int, sigma_b: float = 0.0, *, generator: Generator) -> float:
    """Growth per layer of the squared gradient of one random tanh network, to compare with ``chi``."""
    return float((2 * log_gradient(sigma_w, sigma_b, width, depth, generator=generator)[0] / depth).exp())


def tanh_jacobian(weights: Tensor, h: Tensor) -> Tensor:
    """Jacobian dh_L/dh_0 of h_l = tanh(W_l h_{l-1}): ``weights (L, D, D)``, ``h (D,)`` -> ``(D, D)``."""
    _, slopes = driven_run(weights, torch.zeros(weights.shape[:2]).to(weights), "tanh", h)
    P = torch.eye(len(h), dtype=h.dtype)
    for W, slope in zip(weights, slopes, strict=True):
        P = step_jacobian(W, slope) @ P
    return P


def _mean(function: Callable[[Tensor], Tensor], variance: float) -> float:
    return float((GAUSSIAN_WEIGHTS * function(variance**0.5 * GAUSSIAN_NODES)).sum())


def _tanh_squared(a: Tensor) -> Tensor:
    return a.tanh().square()


def _slope_squared(a: Tensor) -> Tensor:
    return (1 - a.tanh().square()).square()
