"""Products of independent Gaussian matrices, and layers of ReLU, followed along one vector."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from gradflow._validation import require_count, require_positive
from gradflow.networks import gaussian_weights, orthogonal_weights

WEIGHTS = {"gaussian": gaussian_weights, "orthogonal": orthogonal_weights}


def log_growth(
    width: int, steps: int, runs: int, gain: float = 1.0, relu: bool = False, *, generator: Generator
) -> Tensor:
    """Log ‖W_n … W_1 v‖ for n = 1 … steps and a unit vector v, with fresh N(0, gain² / width) matrices everywhere.

    Args:
        width: size of the matrices.
        steps: how many factors.
        runs: how many independent products.
        gain: positive scale.
        relu: whether a ReLU follows every matrix. A path that dies stays at ``-inf``.
        generator: source of random numbers.

    Returns:
        (steps, runs), natural logarithms, float64.

    Raises:
        ValueError: a count below 1 or a gain that is not positive.
    """
    for name, value in (("width", width), ("steps", steps), ("runs", runs)):
        require_count(name, value)
    scale = require_positive("gain", gain) / width**0.5
    v = torch.zeros(runs, width, 1)
    v[:, 0] = 1
    total = torch.zeros(runs, dtype=torch.float64)
    logs = []
    for _ in range(steps):
        v = scale * (torch.randn(runs, width, width, generator=generator) @ v)
        if relu:
            v = v.relu()
        norm = v.norm(dim=(1, 2))
        v = v / torch.where(norm > 0, norm, 1)[:, None, None]
        total = total + norm.double().log()
        logs.append(total)
    return torch.stack(logs)


def masked_product(kind: str, width: int, depth: int, gain: float, *, generator: Generator) -> Tensor:
    """D_L W_L … D_1 W_1 with independent masks D_l that keep each coordinate with probability 1/2.

    Args:
        kind: ``"gaussian"`` or ``"orthogonal"``: the matrices, times ``gain``.
        width: size of the matrices.
        depth: how many factors.
        gain: positive scale.
        generator: source of random numbers.

    Returns:
        (width, width), float64.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in WEIGHTS:
        raise ValueError(f"kind: expected one of {', '.join(WEIGHTS)}, got {kind!r}")
    P = torch.eye(width, dtype=torch.float64)
    for W in WEIGHTS[kind](depth, width, gain, generator=generator).double():
        mask = torch.randint(0, 2, (width, 1), generator=generator)
        P = mask * (W @ P)
    return P
