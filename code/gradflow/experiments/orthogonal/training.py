"""Training with an orthogonal recurrent matrix: free, or kept orthogonal on every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrizations

from gradflow._validation import require_choice, require_count, require_positive, require_sizes
from gradflow.initialization import identity_, orthogonal_
from gradflow.recurrent import ParallelRNN, SequenceModel, join
from gradflow.tasks import adding_problem, copy_baseline, copy_memory, cross_entropy, mean_squared_error
from gradflow.training import train

DELAY, SYMBOLS, LETTERS, LENGTH, WINDOW, HIDDEN = 30, 4, 4, 50, 50, 32
Start = str | float
"""The recurrent matrix at the start: "identity", "orthogonal", or g for g times an orthogonal matrix."""


@dataclass(frozen=True)
class TrainedNetworks:
    """N networks after training."""

    W: Tensor
    """(N, H, H): the recurrent matrices."""
    loss: Tensor
    """(steps, N): loss of every batch over the loss of guessing; nan after a network has solved its task."""
    solved_at: Tensor
    """(N,): steps until the mean of 50 batches was below the goal, or -1."""

    @property
    def solved(self) -> int:
        """How many networks have solved the task."""
        return int((self.solved_at > 0).sum())

    def singular_values(self) -> Tensor:
        """Of the trained recurrent matrices, (N, H), the largest first."""
        values: Tensor = torch.linalg.svdvals(self.W)
        return values


def train_networks(
    task: str,
    activation: str,
    starts: Sequence[Start],
    *,
    constrained: bool = False,
    steps: int = 600,
    nets: int = 6,
) -> dict[Start, TrainedNetworks]:
    """Train N networks from each start, all at once and on the same data, with Adam 3e-3 and clipping at 1.

    They have no biases at the start.

    Args:
        task: "copying" (4 of 4 symbols after 30 steps, goal: a quarter of the loss of guessing) or "adding"
            (50 steps, goal 0.05, which is 0.3 of the loss of guessing).
        activation: a key of ``gradflow.recurrent.ACTIVATIONS``.
        starts: see ``Start``.
        constrained: keep the matrix orthogonal by ``torch.nn.utils.parametrizations.orthogonal``.
        steps: largest number of steps.
        nets: networks from each start.

    Returns:
        The networks by their start.

    Raises:
        ValueError: an unknown task, activation or start, no starts, or a bad size.
    """
    require_count("steps", steps, minimum=WINDOW)
    require_choice("task", task, ("copying", "adding"))
    require_sizes(starts=len(starts), nets=nets)
    copying = task == "copying"
    inputs, outputs = (SYMBOLS + 2, SYMBOLS + 1) if copying else (2, 1)
    generators = [torch.Generator().manual_seed(0) for _ in starts]
    models = []
    for start, g in zip(starts, generators, strict=True):
        cell = ParallelRNN(nets, inputs, HIDDEN, activation, generator=g)
        _begin(cell.W, start, g)
        nn.init.zeros_(cell.b)
        models.append(SequenceModel(cell, outputs, every_step=copying, generator=g))
    model = join(models)
    if constrained:
        parametrizations.orthogonal(model.cell, "W")
    baseline = copy_baseline(DELAY, symbols=SYMBOLS, letters=LETTERS) if copying else 1 / 6
    goal = baseline / 4 if copying else 0.05

    def sample() -> tuple[Tensor, Tensor]:
        if copying:
            x, y = copy_memory(DELAY, nets, 16, symbols=SYMBOLS, letters=LETTERS, generator=generators[0])
            return x.repeat(1, len(starts), 1, 1), y.repeat(1, len(starts), 1)
        x, y = adding_problem(LENGTH, nets, 20, generator=generators[0])
        return x.repeat(1, len(starts), 1, 1), y.repeat(len(starts), 1, 1)

    measure = cross_entropy if copying else mean_squared_error
    # The parametrization keeps one base matrix per network, so constrained networks cannot leave one by one.
    history = train(
        model, sample, measure, steps=steps, lr=3e-3, clip=1.0, goal=None if constrained else goal, window=WINDOW
    )
    W = cast(Tensor, model.cell.W).detach().split(nets)
    losses = history.loss.split(nets, 1)
    return {
        start: _group(matrices, loss, baseline, goal) for start, matrices, loss in zip(starts, W, losses, strict=True)
    }


def train_network(
    task: str,
    activation: str,
    start: Start = "orthogonal",
    *,
    constrained: bool = False,
    steps: int = 600,
    nets: int = 6,
) -> TrainedNetworks:
    """``train_networks`` from one start."""
    return train_networks(task, activation, [start], constrained=constrained, steps=steps, nets=nets)[start]


def _begin(W: Tensor, start: Start, generator: Generator) -> None:
    if start == "identity":
        identity_(W)
    elif isinstance(start, str):
        require_choice("starts", start, ("orthogonal", "identity"))
        orthogonal_(W, generator=generator)
    else:
        orthogonal_(W, require_positive("starts", start), generator=generator)


def _group(W: Tensor, loss: Tensor, baseline: float, goal: float) -> TrainedNetworks:
    """N of the networks, with their losses until the last of them ends."""
    steps = int((~loss.isnan()).any(1).sum())
    return TrainedNetworks(W, loss[:steps] / baseline, _first_below(loss, goal))


def _first_below(loss: Tensor, goal: float) -> Tensor:
    """The step at which the mean of the last WINDOW losses is first below the goal, or -1."""
    below = loss.unfold(0, WINDOW, 1).mean(-1) < goal
    return torch.where(below.any(0), below.int().argmax(0) + WINDOW, -1)
