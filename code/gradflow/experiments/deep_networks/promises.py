"""How far a gradient may be followed: which share of the decrease that it promises does a step bring?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Promises:
    """What steps along a direction bring, beside what the gradient says they will.

    Attributes:
        reach: length of the step along the gradient after which a straight line would make the loss zero, ``L / ‖G‖``.
        kept: ``(K,)``: actual decrease of the loss over the promised one, for each length.
    """

    reach: float
    kept: Tensor


def promises_kept(
    network: nn.Module,
    x: Tensor,
    target: Tensor,
    factors: Callable[[Sequence[Tensor]], Sequence[float]],
    lengths: Sequence[float],
) -> Promises:
    """Follow a direction from the weights of ``network``; everything is computed in float64 on a copy.

    Args:
        network: maps ``x`` to the shape of ``target``; the loss is the mean squared error.
        x, target: ``(B, D)``.
        factors: what the gradients are multiplied by to give the direction, one number a parameter.
        lengths: joint 2-norms of the steps.
    """
    model, x, target = copy.deepcopy(network).double(), x.double(), target.double()
    weights = list(model.parameters())
    loss = nn.functional.mse_loss(model(x), target)
    grads = torch.autograd.grad(loss, weights)
    direction = [factor * grad for factor, grad in zip(factors(grads), grads, strict=True)]
    norm = _dot(direction, direction).sqrt()
    slope = _dot(grads, direction) / norm
    start = [weight.detach().clone() for weight in weights]
    kept = []
    with torch.no_grad():
        for length in lengths:
            for weight, origin, part in zip(weights, start, direction, strict=True):
                weight.copy_(origin - length / norm * part)
            kept.append((loss - nn.functional.mse_loss(model(x), target)) / (length * slope))
    return Promises((loss / _dot(grads, grads).sqrt()).item(), torch.stack(kept))


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return torch.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum()
