"""By how many orders of magnitude a network stretches what flows through it, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor, nn

from gradflow._validation import require_count
from gradflow.profile import layer_gradient_norms


@dataclass(frozen=True)
class Growth:
    """Decimal logarithms of ratios of norms; 0 means that the first and the last are equally large.

    Attributes:
        forward: output of the network over its input.
        backward: error signal of the first layer over that of the last.
        weights: weight gradient of the first layer over that of the last.
    """

    forward: float
    backward: float
    weights: float


def median_growth(make: Callable[[Generator], nn.Module], width: int, seeds: int = 8, every: int = 1) -> Growth:
    """Median growth over random networks, one Gaussian input and one random linear loss a seed.

    Args:
        make: builds the network from a generator; the network maps ``(1, width)`` to ``(1, width)``.
        width: size of the input and the output.
        seeds: how many networks.
        every: compares linear layers 1, 1 + every, …; 2 takes the first matrix of each branch of two matrices.

    Raises:
        ValueError: ``width``, ``seeds`` or ``every`` is not a positive integer, or the network is not one that
            :func:`~gradflow.profile.layer_gradient_norms` accepts.
    """
    require_count("width", width)
    require_count("every", every)
    logs = []
    for seed in range(require_count("seeds", seeds)):
        generator = torch.Generator().manual_seed(seed)
        model = make(generator)
        x, direction = torch.randn(2, 1, width, generator=generator)
        profile = layer_gradient_norms(model, x, partial(_linear_loss, direction))
        ends = [profile.activations.flip(0), profile.deltas[::every], profile.weight_grads[::every]]
        logs.append(torch.stack([(norms[0] / norms[-1]).log10() for norms in ends]))
    return Growth(*torch.stack(logs).quantile(0.5, dim=0).tolist())


def _linear_loss(direction: Tensor, y: Tensor) -> Tensor:
    return (y * direction).sum()
