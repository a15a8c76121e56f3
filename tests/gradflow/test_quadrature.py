"""Means over the standard normal law against its moments, on smooth functions and on one with a kink."""

import math

import pytest
import torch

from gradflow._quadrature import GAUSSIAN_NODES, GAUSSIAN_WEIGHTS


@pytest.mark.parametrize(
    ("function", "mean"),
    [
        (torch.ones_like, 1.0),
        (lambda z: z**4, 3.0),
        (torch.cos, math.exp(-0.5)),
        (torch.relu, 1 / math.sqrt(2 * math.pi)),
        (lambda z: (z > 0).double(), 0.5),
    ],
)
def test_mean_of_a_function_of_a_normal_variable(function, mean):
    assert (GAUSSIAN_WEIGHTS * function(GAUSSIAN_NODES)).sum().item() == pytest.approx(mean, rel=1e-6)
