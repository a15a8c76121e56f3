"""All cures on one task: eight recurrent networks under equal conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from gradflow import tasks
from gradflow.initialization import chrono_, forget_bias_, identity_, orthogonal_
from gradflow.recurrent import (
    ParallelGRU,
    ParallelLRU,
    ParallelLSTM,
    ParallelRNN,
    SequenceModel,
    join,
)
from gradflow.training import History, evaluate, train

MODELS = ("tanh", "tanh, ортогональная", "IRNN", "LSTM, b = 0", "LSTM, b = 1", "LSTM, chrono", "GRU", "LRU")
"""Names of the eight models, as the page shows them."""


class Task(NamedTuple):
    """What the networks learn, and how they are judged."""

    sample: Callable[..., tuple[Tensor, Tensor]]
    """``sample(length, nets, batch, generator=g)`` returns fresh sequences and their answers."""
    inputs: int
    outputs: int
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], Tensor]
    baseline: float
    """The loss of the best answer that does not look at the sequence."""


ADDING = Task(
    tasks.adding_problem, 2, 1, tasks.mean_squared_error, tasks.mean_squared_error, tasks.ADDING_BASELINE
)  # fmt: skip
ORDER = Task(tasks.temporal_order, 6, 4, tasks.cross_entropy, tasks.error_rate, tasks.ORDER_BASELINE)


class Result(NamedTuple):
    """A model's training and its score on 2000 fresh sequences ``(N,)``."""

    history: History
    score: Tensor


def build(name: str, task: Task, *, length: int, seeds: int, hidden: int = 32) -> SequenceModel:
    """``seeds`` networks of the model ``name``, initialised from a generator of their own.

    Args:
        name: one of ``MODELS``.
        task: what the networks read, and what they answer from the last state.
        length: longest lag of the task, for the chrono initialisation.
        seeds: number of networks.
        hidden: number of hidden units.

    Raises:
        ValueError: an unknown name or a size below 1.
    """
    if name not in MODELS:
        raise ValueError(f"name: expected one of {MODELS}, got {name!r}")
    g = Generator().manual_seed(MODELS.index(name))
    cell: nn.Module
    if name == "GRU":
        cell = ParallelGRU(seeds, task.inputs, hidden, generator=g)
    elif name == "LRU":
        cell = ParallelLRU(seeds, task.inputs, hidden, generator=g)
    elif name.startswith("LSTM"):
        cell = ParallelLSTM(seeds, task.inputs, hidden, generator=g)
        if name == "LSTM, chrono":
            chrono_(cell, length, generator=g)
        else:
            forget_bias_(cell, float(name[-1]))
    else:
        cell = ParallelRNN(seeds, task.inputs, hidden, "relu" if name == "IRNN" else "tanh", generator=g)
        if name == "IRNN":
            identity_(cell.W)
            nn.init.zeros_(cell.b)
        elif name == "tanh, ортогональная":
            orthogonal_(cell.W, generator=g)
            nn.init.zeros_(cell.b)
    return SequenceModel(cell, task.outputs, generator=g)


def race(
    task: Task, names: Sequence[str] = MODELS, *, length: int, steps: int, goal: float, lr: float = 5e-3, seeds: int = 5
) -> dict[str, Result]:
    """Train models on the same sequences with Adam and norm clipping at 1, ``seeds`` networks of each.

    Models of one kind, which differ in their initial weights alone, are trained in one stack.

    Args:
        task: what they learn, for example ``ADDING``.
        names: which of ``MODELS``.
        length: number of steps of a sequence.
        steps: largest number of training steps, 20 sequences each.
        goal: a network stops when its mean loss over 50 batches is below.
        lr: learning rate.
        seeds: number of networks of each model.

    Returns:
        A ``Result`` of each model by name.

    Raises:
        ValueError: an unknown model, or a number the training refuses.
    """
    models = {name: build(name, task, length=length, seeds=seeds) for name in names}
    kinds: dict[str, list[str]] = {}
    for name, model in models.items():
        kinds.setdefault(str(model), []).append(name)
    results = {}
    for group in kinds.values():
        stack = join([models[name] for name in group])
        lessons = partial(shared_sequences, task, length, seeds, len(group), Generator().manual_seed(100), 20)
        history = train(stack, lessons, task.loss, steps=steps, lr=lr, clip=1.0, goal=goal)
        exam = partial(shared_sequences, task, length, seeds, len(group), Generator().manual_seed(200), 2000)
        score = evaluate(stack, exam, task.score)
        for number, name in enumerate(group):
            nets = slice(number * seeds, (number + 1) * seeds)
            results[name] = Result(_alone(history[nets]), score[nets])
    return {name: results[name] for name in names}


def input_gradients(model: SequenceModel, length: int) -> Tensor:
    """How much an input of each step is worth to the output of an untrained adding network.

    Args:
        model: networks for the adding problem.
        length: number of steps T.

    Returns:
        ``(N, T)``: the norm of the gradient of the sum of the outputs by the input of a step, over a batch of 20.
    """
    x, _ = ADDING.sample(length, model.nets, 20, generator=Generator().manual_seed(300))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(model(x).sum(), x)
    return gradient.square().sum((2, 3)).sqrt().T


def _alone(history: History) -> History:
    """Without the steps that the others in the stack took after the last of these networks had ended."""
    ends = torch.maximum(history.solved_at, history.diverged_at)
    steps = int(ends.max()) if bool((ends > 0).all()) else len(history.loss)
    return History(history.loss[:steps], history.grad_norm[:steps], history.solved_at, history.diverged_at)


def shared_sequences(
    task: Task, length: int, seeds: int, groups: int, generator: Generator, batch: int
) -> tuple[Tensor, Tensor]:
    """Sequences of ``seeds`` networks, the same for each group of them."""
    x, y = task.sample(length, seeds, batch, generator=generator)
    return torch.cat([x] * groups, dim=1), torch.cat([y] * groups)
