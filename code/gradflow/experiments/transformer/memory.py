"""Paths through time: the gradient that reaches a token far back, and the price of memory in a diagonal recurrence."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from gradflow._validation import require_choice, require_count, require_number
from gradflow.jacobians import vjp_log_norms
from gradflow.recurrent import driven_run
from gradflow.transformer import ParallelBlock

READERS = ("рекуррентная сеть", "внимание", "диагональная, 0,9", "диагональная, 0,99")
"""What reads the sequence: tanh with PyTorch's weights, one new layer of attention, h = λh + x with two λ."""


def gradient_by_lag(reader: str, length: int = 200, seeds: int = 5, width: int = 64) -> Tensor:
    """Logarithm to base 10 of the gradient of the last output with respect to the token ``lag`` steps before.

    Args:
        reader: one of ``READERS``.
        length: T.
        seeds: how many networks, each with tokens of its own.
        width: D.

    Returns:
        ``(seeds, T)``, the lag is 0, 1, …, T - 1; relative to lag 0.
    """
    require_choice("reader", reader, READERS)
    return torch.stack([_one_reader(reader, require_count("length", length), width, seed) for seed in range(seeds)])


def _one_reader(reader: str, length: int, width: int, seed: int) -> Tensor:
    g = Generator().manual_seed(seed)
    tokens, direction = torch.randn(length, width, generator=g), torch.randn(width, generator=g)
    if reader == "внимание":
        block = ParallelBlock(1, width, 4, generator=g)
        h = torch.layer_norm(tokens, (width,)).view(1, 1, length, width).requires_grad_()
        (block.attention(h)[0, 0, -1] * direction).sum().backward()
        assert h.grad is not None
        logs: Tensor = torch.linalg.vector_norm(h.grad[0, 0], dim=1).log10().flip(0)
        return logs - logs[1:].median()  # lag 0 also asks, so its gradient is of another kind
    if reader == "рекуррентная сеть":
        W = (2 * torch.rand(width, width, generator=g) - 1) / math.sqrt(width)
        _, slopes = driven_run(W, 0.3 * tokens, "tanh")
        logs = vjp_log_norms(W, slopes, direction).flip(0) / math.log(10)
        return logs - logs[0]
    decay = float(reader.split(", ", 1)[1].replace(",", "."))
    return torch.arange(length) * math.log10(decay)


def sensitivity(decay: float, steps: int = 8000, draws: int = 2000, seed: int = 0) -> tuple[float, float, float, float]:
    """Root mean squares, over runs on white noise, of h, ∂h/∂λ, ∂y/∂λ, ∂y/∂ν, where y = √(1-λ²) h, λ = exp(-exp ν).

    Args:
        decay: λ of ``h_t = λ h_{t-1} + x_t``, between 0 and 1.
        steps: length of a run; many times 1 / (1 - λ), for the start to be forgotten.
        draws: number of runs.
        seed: of the noise.
    """
    if not 0 < require_number("decay", decay) < 1:
        raise ValueError(f"decay: expected a number between 0 and 1, got {decay!r}")
    g = Generator().manual_seed(seed)
    h = torch.zeros(require_count("draws", draws), dtype=torch.float64)
    s = torch.zeros_like(h)
    for _ in range(require_count("steps", steps)):
        s = decay * s + h
        h = decay * h + torch.randn(draws, generator=g, dtype=torch.float64)
    gamma = math.sqrt(1 - decay**2)
    y = gamma * s - decay / gamma * h
    values = h, s, y, decay * math.log(decay) * y
    return tuple(value.square().mean().sqrt().item() for value in values)  # type: ignore[return-value]
