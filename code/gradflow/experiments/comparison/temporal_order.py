"""Two cures apart and together: plain tanh networks on the temporal order, with and without clipping."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from gradflow.experiments.comparison.race import ORDER, shared_sequences
from gradflow.initialization import orthogonal_
from gradflow.recurrent import ParallelRNN, SequenceModel, join
from gradflow.training import evaluate, train

ORDER_METHODS = ("SGD", "SGD + отсечение", "ортогональная", "ортогональная + отсечение")
"""Names of the four ways to train in ``order_table``."""

HIDDEN = 50
"""Number of hidden units H."""


def order_table(
    steps: Mapping[int, int],
    methods: Sequence[str] = ORDER_METHODS,
    *,
    lr: float = 0.1,
    clip: float = 1.0,
    seeds: int = 5,
) -> dict[int, list[int]]:
    """Of ``seeds`` tanh networks, how many learn the temporal order, with and without two cures.

    Plain SGD, 20 sequences a step, the same for all methods; the recurrent matrix is Gaussian with standard deviation
    1/√H, spectral radius about 1, or orthogonal; a method with clipping starts from the networks of the method without.
    A network counts when its mean loss fell below 0.05 nats and it errs in fewer than 1 % of 2000 fresh sequences.

    Args:
        steps: largest number of training steps by length of the sequences.
        methods: which of ``ORDER_METHODS``.
        lr: learning rate.
        clip: threshold for the norm of the gradient.
        seeds: number of networks of each method.

    Returns:
        Successes in the order of ``methods``, by length.

    Raises:
        ValueError: an unknown method, or a number the training refuses.

    Source: Pascanu, Mikolov, Bengio 2013, section 4.1, on a smaller scale.
    """
    if not set(methods) <= set(ORDER_METHODS):
        raise ValueError(f"methods: expected some of {ORDER_METHODS}, got {tuple(methods)}")
    successes = {}
    for length, most in steps.items():
        model = join([_order_networks(method, length, seeds) for method in methods])
        thresholds = [clip if method.endswith("отсечение") else math.inf for method in methods]
        sample = partial(shared_sequences, ORDER, length, seeds, len(methods), Generator().manual_seed(1000 + length))
        history = train(
            model,
            partial(sample, 20),
            ORDER.loss,
            steps=most,
            lr=lr,
            clip=torch.tensor(thresholds).repeat_interleave(seeds),
            optimizer="sgd",
            goal=0.05,
        )
        learned = history.solved & (evaluate(model, partial(sample, 2000), ORDER.score) < 0.01)
        successes[length] = learned.view(len(methods), seeds).sum(1).tolist()
    return successes


class RecordedRow(NamedTuple):
    """A length that takes too long for a page: its training steps, networks of each method, and their successes."""

    steps: int
    seeds: int
    successes: list[int]


def recorded_order() -> tuple[dict[str, str], dict[int, RecordedRow]]:
    """What ``code/benchmarks/temporal_order.py`` recorded: machine, versions and date by name; its rows by length."""
    record: dict[str, Any] = json.loads(Path(__file__).with_name("temporal_order.json").read_text(encoding="utf-8"))
    rows = {row["length"]: RecordedRow(row["steps"], row["seeds"], row["successes"]) for row in record["rows"]}
    return {name: record[name] for name in ("device", "torch", "recorded")}, rows


def gradient_concentration(length: int, *, steps: int, seeds: int = 5) -> float:
    """How much of the gradient by an orthogonal W lies in one direction, after some steps with clipping at 1.

    Args:
        length: number of steps of the sequences of temporal order.
        steps: number of training steps before the measurement, SGD with rate 0.1.
        seeds: number of networks.

    Returns:
        Spectral over Frobenius norm of the gradient, between 1/√H and 1, which is rank one; median over the networks.
    """
    model = _order_networks("ортогональная", length, seeds)
    g = Generator().manual_seed(1000 + length)
    lessons = partial(ORDER.sample, length, seeds, 20, generator=g)
    train(model, lessons, ORDER.loss, steps=steps, lr=0.1, clip=1.0, optimizer="sgd")
    x, y = lessons()
    (gradient,) = torch.autograd.grad(ORDER.loss(model(x), y).sum(), model.cell.get_parameter("W"))
    shares: Tensor = torch.linalg.matrix_norm(gradient, 2) / torch.linalg.matrix_norm(gradient)
    return shares.median().item()


def _order_networks(method: str, length: int, seeds: int) -> SequenceModel:
    g = Generator().manual_seed(length)
    cell = ParallelRNN(seeds, ORDER.inputs, HIDDEN, generator=g)
    if method.startswith("ортогональная"):
        orthogonal_(cell.W, generator=g)
    else:
        nn.init.normal_(cell.W, std=1 / math.sqrt(HIDDEN), generator=g)
    nn.init.zeros_(cell.b)
    return SequenceModel(cell, ORDER.outputs, generator=g)
