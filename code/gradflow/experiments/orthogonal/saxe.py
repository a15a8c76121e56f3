"""How long a deep linear network learns, as a function of its depth and of its initialization.

The network W_L … W_1 fits a matrix A by gradient descent on the loss ||W_L … W_1 - A||^2 / 2
(whitened inputs). Many seeds and learning rates are trained at once.

Source: Saxe, McClelland, Ganguli, ICLR 2014, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradflow._validation import require_count, require_positive, require_tensor

INITIALIZATIONS = ("orthogonal", "identity", "gaussian")


def initial_weights(kind: str, depth: int, seeds: int, width: int, *, generator: torch.Generator) -> Tensor:
    """Weights (depth, seeds, width, width) in float64.

    Args:
        kind: "orthogonal" (uniform), "identity", or "gaussian" with variance 1 / width.
        depth: number of layers.
        seeds: number of networks.
        width: units a layer.
        generator: source of random numbers.

    Raises:
        ValueError: an unknown kind, or a size below 1.
    """
    shape = tuple(
        require_count(name, value)
        for name, value in (("depth", depth), ("seeds", seeds), ("width", width), ("width", width))
    )
    weights = torch.randn(shape, generator=generator, dtype=torch.float64)
    if kind == "gaussian":
        return weights / math.sqrt(width)
    if kind == "identity":
        return torch.eye(width, dtype=torch.float64).expand(shape).clone()
    if kind == "orthogonal":
        for matrix in weights.flatten(0, 1):
            torch.nn.init.orthogonal_(matrix, generator=generator)
        return weights
    raise ValueError(f"kind: expected one of {', '.join(INITIALIZATIONS)}, got {kind!r}")


def steps_to_learn(
    weights: Tensor,
    target: Tensor,
    learning_rates: Sequence[float],
    *,
    fraction: float = 0.1,
    max_steps: int = 300,
) -> Tensor:
    """Steps of gradient descent until the loss first falls below ``fraction`` of its initial value.

    A learning rate is divided by the depth: the product answers to a step in all of its factors.

    Args:
        weights: (L, S, D, D), the initial weights of S networks, the layer next to the input first.
        target: (S, D, D), the matrix that each network is to learn.
        learning_rates: R positive numbers.
        fraction: part of the initial loss at which a network counts as trained.
        max_steps: the budget.

    Returns:
        (S, R) in float64, ``inf`` where the budget did not suffice or the network diverged.

    Raises:
        ValueError: shapes that do not match, or numbers that are not positive.
    """
    require_tensor("weights", weights, ndim=4)
    require_tensor("target", target, ndim=3)
    if target.shape != weights.shape[1:]:
        raise ValueError(f"target: expected shape {tuple(weights.shape[1:])}, got {tuple(target.shape)}")
    require_positive("fraction", fraction)
    require_count("max_steps", max_steps)
    depth, seeds = weights.shape[:2]
    rates = torch.tensor([require_positive("learning_rates", rate) for rate in learning_rates]).to(weights)
    steps = torch.full((seeds * len(rates),), float("inf"), dtype=torch.float64, device=weights.device)
    active = torch.arange(len(steps), device=weights.device)  # those that have neither learned nor diverged
    W, A = weights.repeat_interleave(len(rates), 1), target.repeat_interleave(len(rates), 0)
    rate = rates.repeat(seeds).view(-1, 1, 1) / depth
    goal = None
    for step in range(max_steps + 1):
        prefixes = [W[0]]  # prefixes[l] = W_{l+1} … W_1
        for weight in W[1:]:
            prefixes.append(torch.bmm(weight, prefixes[-1]))
        delta = prefixes[-1] - A
        loss = delta.square().sum((-1, -2)) / 2
        goal = fraction * loss if goal is None else goal
        steps[active[loss <= goal]] = step
        gradient = torch.empty_like(W)
        for layer in range(depth - 1, 0, -1):
            torch.bmm(delta, prefixes[layer - 1].mT, out=gradient[layer])
            delta = torch.bmm(W[layer].mT, delta)
        gradient[0] = delta
        W.addcmul_(rate, gradient, value=-1)
        going = (loss > goal) & loss.isfinite()
        if not going.all():
            active, W, A, rate, goal = active[going], W[:, going], A[going], rate[going], goal[going]
        if active.numel() == 0:
            break
    return steps.view(seeds, len(rates))
