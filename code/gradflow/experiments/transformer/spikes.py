"""Loss spikes of small transformers that are trained too fast, and what each cure costs."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gradflow._validation import require_choice
from gradflow.experiments.transformer.training import SIZE, reversal
from gradflow.tasks import cross_entropy
from gradflow.training import train
from gradflow.transformer import ParallelTransformer


class Cure(NamedTuple):
    """Settings of a training: threshold of clipping, constants of Adam, threshold of skipping, warm-up, QK-norm."""

    clip: float = math.inf
    beta2: float = 0.999
    eps: float = 1e-8
    skip: float = math.inf
    warmup: float = 1
    qk_norm: bool = False


CURES = {
    "ничего": Cure(),
    "отсечение, порог 1": Cure(clip=1.0),
    "отсечение, порог 0,1": Cure(clip=0.1),
    r"$\beta_2=0{,}95$": Cure(beta2=0.95),
    r"$\varepsilon=10^{-2}$": Cure(eps=1e-2),
    "пропуск батчей с нормой больше 2": Cure(skip=2.0),
    "разогрев 50 шагов": Cure(warmup=50),
    "нормировка запросов и ключей": Cure(qk_norm=True),
}
"""What is tried against spikes, one change at a time."""

LEARNED, SPIKE = 0.05, 0.3  # nats a token: the task is learned below, and it is a spike when the loss is above again


class Spikes(NamedTuple):
    """Of each network: step at which the task was first learned, or -1, and spikes after it ``(N,)``; the loss."""

    learned_at: Tensor
    number: Tensor
    loss: Tensor


def spikes(cure: str, steps: int = 250, rate: float = 3e-2, nets: int = 5, seed: int = 0) -> Spikes:
    """Train networks of two pre-normalized blocks on ``reversal`` at a rate that is too high.

    Args:
        cure: a key of ``CURES``.
        steps: of Adam.
        rate: learning rate.
        nets: how many seeds; weights and batches are the same for all cures.
        seed: of weights and batches.
    """
    require_choice("cure", cure, CURES)
    clip, beta2, eps, skip, warmup, qk_norm = CURES[cure]
    g = Generator().manual_seed(seed)
    length, size = SIZE["length"], SIZE["size"]
    model = ParallelTransformer(
        nets, size, size, length=length, width=SIZE["width"], heads=SIZE["heads"], depth=2, qk_norm=qk_norm, generator=g
    )
    history = train(
        model, lambda: reversal(length, nets, 16, symbols=size, generator=g), cross_entropy, steps=steps, lr=rate,
        clip=clip, beta2=beta2, eps=eps, skip=skip, warmup=warmup,
    )  # fmt: skip
    return count_spikes(history.loss)


def count_spikes(loss: Tensor) -> Spikes:
    """Read curves ``(steps, N)``: when the loss was first below ``LEARNED``, how often it then rose above ``SPIKE``."""
    learned = loss < LEARNED
    first = torch.where(learned.any(0), learned.int().argmax(0), -1)
    after = torch.arange(len(loss)).unsqueeze(1) >= first
    high = (loss > SPIKE) & after & (first >= 0)
    starts = high[1:] & ~high[:-1]
    return Spikes(torch.where(first >= 0, first + 1, -1), starts.sum(0), loss)
