"""Answers to the exercises on layer normalization."""

import math

import numpy as np
import torch
from torch import nn

from gradflow.exercises._registry import find
from gradflow.networks import deep_network, gaussian_weights
from tables import answers


def by_matrix(x, grad):
    x, grad = x.numpy(), grad.numpy()
    s = x.std()
    normalized = (x - x.mean()) / s
    D = len(x)
    return (np.eye(D) - 1 / D - np.outer(normalized, normalized) / D) @ grad / s


test_layer_norm_backward = answers(
    "layer-norm-backward",
    right=[by_matrix],
)


def test_spectrum_number_is_the_norm_of_the_autograd_jacobian():
    x = torch.randn(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = 2 * (x - x.mean()) / x.std(correction=0)
    J = torch.autograd.functional.jacobian(lambda v: nn.functional.layer_norm(v, (64,), eps=0), x)
    assert math.isclose(J.norm().item(), find("layer-norm-spectrum").value, rel_tol=1e-9)


def test_chi_number_is_a_monte_carlo_ratio():
    z = torch.randn(4_000_000, generator=torch.Generator().manual_seed(0)).double()
    chi = 1 / z.abs().var()
    assert math.isclose(chi.item(), find("chi-layer-norm-abs").value, rel_tol=3e-3)


def test_xavier_variance_is_near_the_asymptotics_in_a_network():
    generator = torch.Generator().manual_seed(0)
    network = deep_network(gaussian_weights(100, 400, generator=generator), nn.Tanh)
    with torch.no_grad():
        variance = network(torch.randn(16, 400, generator=generator)).square().mean().item()
    assert math.isclose(variance, find("xavier-tanh-variance").value, rel_tol=0.25)


def test_effective_step_is_the_angle_in_a_normalized_layer():
    generator = torch.Generator().manual_seed(0)
    W, x, target = (torch.randn(8, 8, generator=generator, dtype=torch.float64) for _ in range(3))

    def turn(W):
        def loss(W):
            return (nn.functional.layer_norm(x @ W.T, (8,), eps=0) - target).square().sum()

        return torch.func.grad(loss)(W).norm() / W.norm()

    assert math.isclose((turn(W) / turn(4 * W)).item(), find("effective-step").value, rel_tol=1e-9)
