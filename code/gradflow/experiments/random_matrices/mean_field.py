"""Mean-field theory of a deep random network: the variance of the pre-activations and the factor chi.

A layer is h = phi(a), a = W h' + b with W_ij ~ N(0, sigma_w² / N), b_i ~ N(0, sigma_b²). In the limit of infinite
width a_i ~ N(0, q) with q_l = sigma_w² E phi(sqrt(q_{l-1}) z)² + sigma_b², and the mean square of the gradient is
multiplied by chi = sigma_w² E phi'(sqrt(q) z)² per layer.

Public names: ``stationary_variance``, ``chi``, ``measured_chi``, ``tanh_jacobian``.

Source: Poole et al., NeurIPS 2016; Schoenholz et al., ICLR 2017; Pennington et al., NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor

from gradflow._validation import require_count, require_number, require_positive

_nodes, _weights = np.polynomial.hermite_e.hermegauss(201)
_Z = torch.from_numpy(_nodes)
_P = torch.from_numpy(_weights / _weights.sum())


def _gaussian_mean(function: Callable[[Tensor], Tensor], variance: float) -> float:
    return float((_P * function(variance**0.5 * _Z)).sum())


def stationary_variance(sigma_w: float, sigma_b: float = 0.0) -> float:
    """The variance q of tanh pre-activations that a layer reproduces, reached from q = 1."""
    require_positive("sigma_w", sigma_w)
    require_number("sigma_b", sigma_b)
    q = 1.0
    for _ in range(10_000):
        new = sigma_w**2 * _gaussian_mean(lambda a: a.tanh().square(), q) + sigma_b**2
        if abs(new - q) < 1e-12:
            break
        q = new
    return q


def chi(sigma_w: float, sigma_b: float = 0.0) -> float:
    """Factor of the mean squared gradient per tanh layer at the stationary variance."""
    q = stationary_variance(sigma_w, sigma_b)
    return sigma_w**2 * _gaussian_mean(lambda a: (1 - a.tanh().square()).square(), q)


def measured_chi(sigma_w: float, width: int, depth: int, *, generator: Generator) -> float:
    """Growth per layer of the squared gradient of one random tanh network without biases.

    The forward pass first runs ``depth`` layers to become stationary, then the gradient goes back through
    ``depth`` more.

    Returns:
        exp of the mean over layers of log(‖δ_l‖² / ‖δ_{l+1}‖²).
    """
    require_count("depth", depth)
    h = torch.randn(width, generator=generator, dtype=torch.float64)
    layers = []
    for _ in range(2 * depth):
        W = sigma_w / width**0.5 * torch.randn(width, width, generator=generator, dtype=torch.float64)
        h = torch.tanh(W @ h)
        layers.append((W, 1 - h.square()))
    g = torch.randn(width, generator=generator, dtype=torch.float64)
    first = g.norm()
    for W, slope in reversed(layers[depth:]):
        g = W.T @ (slope * g)
    return float((g.norm() / first).square() ** (1 / depth))


def tanh_jacobian(weights: Tensor, h: Tensor) -> Tensor:
    """Jacobian dh_L/dh_0 of h_l = tanh(W_l h_{l-1}): ``weights (L, D, D)``, ``h (D,)`` -> ``(D, D)``."""
    P = torch.eye(len(h), dtype=h.dtype)
    for W in weights:
        h = torch.tanh(W @ h)
        P = (1 - h.square()).unsqueeze(1) * (W @ P)
    return P
