"""All cures on one task: eight recurrent networks under equal conditions, and the table of temporal order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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

ORDER_METHODS = ("SGD", "SGD + отсечение", "ортогональная", "ортогональная + отсечение")
"""Names of the four ways to train in ``order_table``."""


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
        lessons = partial(_shared_sequences, task, length, seeds, len(group), Generator().manual_seed(100), 20)
        history = train(stack, lessons, task.loss, steps=steps, lr=lr, clip=1.0, goal=goal)
        exam = partial(_shared_sequences, task, length, seeds, len(group), Generator().manual_seed(200), 2000)
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


def order_table(
    steps: Mapping[int, int],
    methods: Sequence[str] = ORDER_METHODS,
    *,
    hidden: int = 50,
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
        hidden: number of hidden units H.
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
        model = join([_order_networks(method, length, seeds, hidden) for method in methods])
        thresholds = [clip if method.endswith("отсечение") else math.inf for method in methods]
        sample = partial(_shared_sequences, ORDER, length, seeds, len(methods), Generator().manual_seed(1000 + length))
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


def gradient_concentration(length: int, *, steps: int, seeds: int = 5) -> float:
    """How much of the gradient by an orthogonal W lies in one direction, after some steps with clipping at 1.

    Args:
        length: number of steps of the sequences of temporal order.
        steps: number of training steps before the measurement, SGD with rate 0.1.
        seeds: number of networks.

    Returns:
        Spectral over Frobenius norm of the gradient, between 1/√H and 1, which is rank one; median over the networks.
    """
    model = _order_networks("ортогональная", length, seeds, 50)
    g = Generator().manual_seed(1000 + length)
    lessons = partial(ORDER.sample, length, seeds, 20, generator=g)
    train(model, lessons, ORDER.loss, steps=steps, lr=0.1, clip=1.0, optimizer="sgd")
    x, y = lessons()
    (gradient,) = torch.autograd.grad(ORDER.loss(model(x), y).sum(), model.cell.get_parameter("W"))
    shares: Tensor = torch.linalg.matrix_norm(gradient, 2) / torch.linalg.matrix_norm(gradient)
    return shares.median().item()


def _order_networks(method: str, length: int, seeds: int, hidden: int) -> SequenceModel:
    g = Generator().manual_seed(length)
    cell = ParallelRNN(seeds, ORDER.inputs, hidden, generator=g)
    if method.startswith("ортогональная"):
        orthogonal_(cell.W, generator=g)
    else:
        nn.init.normal_(cell.W, std=1 / math.sqrt(hidden), generator=g)
    nn.init.zeros_(cell.b)
    return SequenceModel(cell, ORDER.outputs, generator=g)


def _alone(history: History) -> History:
    """Without the steps that the others in the stack took after the last of these networks had ended."""
    ends = torch.maximum(history.solved_at, history.diverged_at)
    steps = int(ends.max()) if bool((ends > 0).all()) else len(history.loss)
    return History(history.loss[:steps], history.grad_norm[:steps], history.solved_at, history.diverged_at)


def _shared_sequences(
    task: Task, length: int, seeds: int, groups: int, generator: Generator, batch: int
) -> tuple[Tensor, Tensor]:
    """Sequences of ``seeds`` networks, the same for each group of them."""
    x, y = task.sample(length, seeds, batch, generator=generator)
    return torch.cat([x] * groups, dim=1), torch.cat([y] * groups)
