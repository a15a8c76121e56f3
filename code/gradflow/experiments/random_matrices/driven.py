"""Lyapunov exponents of a recurrent tanh network along its own trajectory."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from gradflow._validation import require_count, require_number
from gradflow.jacobians import lyapunov_spectrum
from gradflow.networks import gaussian_weights
from gradflow.recurrent import driven_run

_WARM_UP = 100


def driven_exponents(
    sigma_w: float,
    noise: float,
    width: int,
    steps: int,
    k: int = 1,
    *,
    fresh: bool = False,
    generator: Generator,
) -> Tensor:
    """The ``k`` largest exponents of h_t = tanh(W h_{t-1} + x_t) with W_ij ~ N(0, sigma_w² / width).

    The network forgets its random start in 100 steps that do not count.

    Args:
        sigma_w: scale of the matrix.
        noise: standard deviation of the inputs x_t, independent at every step.
        width: size of the network.
        steps: how many steps count.
        k: how many exponents.
        fresh: draw a new W at every step instead of one for all steps.
        generator: source of random numbers.

    Returns:
        ``(k,)``, natural logarithms per step, float64.
    """
    total = require_count("steps", steps) + _WARM_UP
    W = gaussian_weights(total if fresh else 1, width, sigma_w, generator=generator).double()
    inputs = require_number("noise", noise) * torch.randn(total, width, generator=generator, dtype=torch.float64)
    start = torch.randn(width, generator=generator, dtype=torch.float64)
    W = W if fresh else W[0]
    _, slopes = driven_run(W, inputs, "tanh", start)
    return lyapunov_spectrum(W[_WARM_UP:] if fresh else W, slopes[_WARM_UP:], k)
