"""By how many orders of magnitude a network stretches what flows through it, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from gradflow._side_by_side import ParallelLinear, side_by_side
from gradflow._validation import require_count, require_finite


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
        ValueError: ``width``, ``seeds`` or ``every`` is not a positive integer, the network is not one that
            :func:`~gradflow._side_by_side.side_by_side` accepts, or a norm overflows or vanishes.
    """
    require_count("width", width)
    require_count("every", every)
    networks, samples = [], []
    for seed in range(require_count("seeds", seeds)):
        generator = torch.Generator().manual_seed(seed)
        networks.append(make(generator))
        samples.append(torch.randn(2, 1, width, generator=generator))
    x, direction = torch.stack(samples, 1)
    model = side_by_side(networks)
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []

    def keep(_: nn.Module, arguments: tuple[Tensor], output: Tensor) -> None:
        inputs.append(arguments[0])
        outputs.append(output)

    for layer in model.modules():
        if isinstance(layer, ParallelLinear):
            layer.register_forward_hook(keep)
    y = model(x)
    deltas = torch.autograd.grad((y * direction).sum(), outputs[::every])
    ends = ((y, inputs[0]), (deltas[0], deltas[-1]), (inputs[0], inputs[::every][-1]))
    forward, backward, shrunk = (_norms(first).log10() - _norms(last).log10() for first, last in ends)
    # One sample: the gradient of a weight matrix is the outer product of the error signal and the layer's input.
    logs = torch.stack((forward, backward, backward + shrunk))
    require_finite("make: the growth of its networks", logs)
    return Growth(*logs.quantile(0.5, dim=1).tolist())


def _norms(x: Tensor) -> Tensor:
    """Of each network's one sample, in float64: ``(N, 1, D)`` -> ``(N,)``."""
    norms: Tensor = torch.linalg.vector_norm(x.detach().double(), dim=(1, 2))
    return norms
