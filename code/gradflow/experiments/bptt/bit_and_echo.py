"""A task with a short and a long dependency at once: repeat the input of two steps ago, name the first bit at the end.

The input is x_1 = ±1, then independent N(0, 1). At every step the network answers x_{t-2} (mean squared error),
at the last one the sign of x_1 (logistic loss). S networks h_t = tanh(W h_{t-1} + V x_t + b) learn at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gradflow._validation import require_count, require_square
from gradflow.training import clip_grad_norm_

ECHO_LAG = 2
BATCH = 32
TEST = 1000


@dataclass(frozen=True)
class Outcome:
    """After training, on fresh sequences: one number per network, each of shape (S,)."""

    bit_accuracy: Tensor
    echo_error: Tensor
    spectral_radius: Tensor


def train_bit_and_echo(
    W: Tensor,
    make_optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
    *,
    echo: bool = True,
    window: int | None = None,
    length: int = 30,
    steps: int = 400,
    max_norm: float = 1.0,
    generator: torch.Generator,
) -> Outcome:
    """Train the networks that start from the recurrent matrices ``W``.

    Args:
        W: (S, H, H), not changed. The other weights start uniform in ±1/sqrt(H).
        make_optimizer: gets the parameters, e.g. ``lambda p: torch.optim.SGD(p, lr=0.1)``.
        echo: whether the short task counts.
        window: the gradient sees this many last steps only; all by default.
        length: of the sequences, at least 4.
        steps: of training.
        max_norm: bound on the norm of each network's gradient.
        generator: source of the weights and the data.

    Raises:
        ValueError: ``W`` is not a stack of square matrices, or a count is too small.
    """
    if require_square("W", W).ndim != 3:
        raise ValueError(f"W: expected a stack (S, H, H), got shape {tuple(W.shape)}")
    require_count("length", length, minimum=ECHO_LAG + 2)
    require_count("steps", steps)
    nets, hidden = W.shape[:2]
    shapes = (nets, hidden, 1), (nets, hidden, 1), (nets, 1, hidden), (nets, 1, hidden)
    others = [(2 * torch.rand(shape, generator=generator) - 1) / hidden**0.5 for shape in shapes]
    params = [p.clone().requires_grad_() for p in (W, *others)]
    optimizer = make_optimizer(params)
    for _ in range(steps):
        bit_loss, echo_loss, _ = _losses(params, *_batch(nets, length, BATCH, generator), window)
        optimizer.zero_grad()
        (bit_loss + echo_loss if echo else bit_loss).sum().backward()
        clip_grad_norm_([p.grad for p in params if p.grad is not None], max_norm)
        optimizer.step()
    with torch.no_grad():
        _, echo_error, accuracy = _losses(params, *_batch(nets, length, TEST, generator), None)
        return Outcome(accuracy, echo_error, torch.linalg.eigvals(params[0]).abs().amax(dim=-1))


def _batch(nets: int, length: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    bit = 2.0 * torch.randint(0, 2, (nets, 1, size), generator=generator) - 1
    x = torch.randn(length, nets, 1, size, generator=generator)
    x[0] = bit
    return x, bit


def _losses(params: list[Tensor], x: Tensor, bit: Tensor, window: int | None) -> tuple[Tensor, Tensor, Tensor]:
    W, V, b, bit_readout, echo_readout = params
    h = x.new_zeros(*W.shape[:2], x.shape[-1])
    states = []
    for t, x_t in enumerate(x):
        if window is not None and t == len(x) - window:
            h = h.detach()
        h = torch.tanh(torch.baddbmm(V * x_t + b, W, h))
        states.append(h)
    logit = bit_readout @ h
    echoes = echo_readout @ torch.stack(states[ECHO_LAG:])
    return (
        softplus(-logit * bit).mean(dim=(1, 2)),
        (echoes - x[:-ECHO_LAG]).square().mean(dim=(0, 2, 3)),
        (logit * bit > 0).float().mean(dim=(1, 2)),
    )
