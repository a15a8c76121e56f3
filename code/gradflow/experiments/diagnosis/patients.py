"""Small networks, each ill in one way, with the cure beside it; every one is trained under the monitor.

``PATIENTS[name](seed)`` trains the ill one and returns its :class:`~gradflow.monitor.GradientMonitor`,
``PATIENTS[name](seed, ill=False)`` the cured one. They stand in five modules, by group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow._global_seed import global_seed
from gradflow.monitor import GradientMonitor


@dataclass(frozen=True)
class Patient:
    """A network with an illness.

    Attributes:
        name: the function's name; group: one of the five groups of the page.
        causes: codes of the findings that name the illness; where: what stands in the place of the first of them.
        run: trains the network, ill or cured, on the global random state.
    """

    name: str
    group: str
    causes: tuple[str, ...]
    where: str
    run: Callable[[bool], GradientMonitor]

    def __call__(self, seed: int, ill: bool = True) -> GradientMonitor:
        """Train it; the global random state is what it was afterwards."""
        with global_seed(seed):
            return self.run(ill)


PATIENTS: dict[str, Patient] = {}


def patient(group: str, causes: str, where: str = "") -> Callable[[Callable[[bool], GradientMonitor]], Patient]:
    """Register a function of ``ill`` as a patient; ``causes`` are codes, separated by spaces."""

    def register(run: Callable[[bool], GradientMonitor]) -> Patient:
        PATIENTS[run.__name__] = Patient(run.__name__, group, tuple(causes.split()), where, run)
        return PATIENTS[run.__name__]

    return register


def train_watched(
    model: nn.Module, optimizer: Optimizer, loss_at: Callable[[], Tensor], steps: int = 30, clip: float | None = None
) -> GradientMonitor:
    """An ordinary loop under the monitor; it stops after the first loss that is not finite."""
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(steps):
            loss = loss_at()
            optimizer.zero_grad()
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            monitor.step(loss)
            if not loss.isfinite():
                break
    return monitor


def sgd(model: nn.Module, lr: float, momentum: float = 0.0) -> Optimizer:
    """Plain gradient descent."""
    return torch.optim.SGD(model.parameters(), lr, momentum)


def adam(model: nn.Module | Iterable[Tensor], lr: float) -> Optimizer:
    """Adam with its usual numbers."""
    return torch.optim.Adam(model.parameters() if isinstance(model, nn.Module) else model, lr)
