"""Training with an orthogonal recurrent matrix: free, or kept orthogonal on every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from gradflow._validation import require_count
from gradflow.initialization import identity_, orthogonal_
from gradflow.recurrent import ParallelRNN, SequenceModel
from gradflow.tasks import adding_problem, copy_baseline, copy_memory, cross_entropy, mean_squared_error
from gradflow.training import train

DELAY, SYMBOLS, LETTERS, LENGTH, WINDOW = 30, 4, 4, 50, 50


@dataclass(frozen=True)
class TrainedNetworks:
    """N networks after training."""

    model: SequenceModel
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
        values: Tensor = torch.linalg.svdvals(cast(Tensor, self.model.cell.W).detach())
        return values


def train_network(
    task: str,
    activation: str,
    initialization: str = "orthogonal",
    *,
    gain: float = 1.0,
    constrained: bool = False,
    steps: int = 600,
    nets: int = 6,
    hidden_size: int = 32,
    seed: int = 0,
) -> TrainedNetworks:
    """Train N networks without biases at the start, Adam 3e-3, gradients clipped at 1.

    Args:
        task: "copying" (4 of 4 symbols after 30 steps, goal: a quarter of the loss of guessing) or "adding"
            (50 steps, goal 0.05, which is 0.3 of the loss of guessing).
        activation: a key of ``gradflow.recurrent.ACTIVATIONS``.
        initialization: "orthogonal" or "identity", of the recurrent matrix.
        gain: by which the orthogonal matrix is multiplied.
        constrained: keep the matrix orthogonal by ``torch.nn.utils.parametrizations.orthogonal``.
        steps, nets, hidden_size, seed: sizes and the seed of everything random.

    Raises:
        ValueError: an unknown task or initialization, or a bad size.
    """
    require_count("steps", steps, minimum=WINDOW)
    if task not in ("copying", "adding"):
        raise ValueError(f"task: expected 'copying' or 'adding', got {task!r}")
    if initialization not in ("orthogonal", "identity"):
        raise ValueError(f"initialization: expected 'orthogonal' or 'identity', got {initialization!r}")
    g = torch.Generator().manual_seed(seed)
    copying = task == "copying"
    inputs, outputs = (SYMBOLS + 2, SYMBOLS + 1) if copying else (2, 1)
    cell = ParallelRNN(nets, inputs, hidden_size, activation, generator=g)
    identity_(cell.W) if initialization == "identity" else orthogonal_(cell.W, gain, generator=g)
    nn.init.zeros_(cell.b)
    model = SequenceModel(cell, outputs, every_step=copying, generator=g)
    if constrained:
        parametrizations.orthogonal(cell, "W")
    baseline = copy_baseline(DELAY, symbols=SYMBOLS, letters=LETTERS) if copying else 1 / 6
    goal = baseline / 4 if copying else 0.05

    def sample() -> tuple[Tensor, Tensor]:
        if copying:
            return copy_memory(DELAY, nets, 16, symbols=SYMBOLS, letters=LETTERS, generator=g)
        return adding_problem(LENGTH, nets, 20, generator=g)

    measure = cross_entropy if copying else mean_squared_error
    # The parametrization keeps one base matrix per network, so constrained networks cannot leave one by one.
    history = train(
        model, sample, measure, steps=steps, lr=3e-3, clip=1.0, goal=None if constrained else goal, window=WINDOW
    )
    return TrainedNetworks(model, history.loss / baseline, _first_below(history.loss, goal))


def _first_below(loss: Tensor, goal: float) -> Tensor:
    """The step at which the mean of the last WINDOW losses is first below the goal, or -1."""
    below = loss.unfold(0, WINDOW, 1).mean(-1) < goal
    return torch.where(below.any(0), below.int().argmax(0) + WINDOW, -1)
