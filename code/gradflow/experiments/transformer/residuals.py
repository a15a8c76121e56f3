"""What ``code/benchmarks/residuals.py`` has recorded: steps to the goal of ways to start a deep transformer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gradflow._validation import require_choice
from gradflow.experiments.transformer.training import ROWS


class Best(NamedTuple):
    """At the learning rate whose networks did best: the rate, how many of the networks learned, median steps or inf."""

    rate: float
    learned: int
    steps: float


def record() -> dict[str, Any]:
    """The whole record: settings, device, versions, date and runs."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("residuals.json").read_text(encoding="utf-8"))
    return found


def best(row: str, depth: int) -> Best:
    """What the record says of a row of the table at one depth; the best of its learning rates.

    Raises:
        ValueError: an unknown row, or a depth that is not in the record.
    """
    require_choice("row", row, ROWS)
    found = record()
    runs = [run for run in found["runs"] if run["row"] == row and run["depth"] == depth]
    if not runs:
        raise ValueError(f"depth: expected one of the record, got {depth!r}")
    solved = torch.tensor(runs[0]["solved_at"], dtype=torch.float64)
    steps: Tensor = torch.where(solved < 0, torch.inf, solved)
    medians = steps.median(1).values
    order = sorted(range(len(medians)), key=lambda i: (medians[i].item(), -(solved[i] > 0).sum().item()))
    chosen = order[0]
    return Best(found["settings"]["rates"][chosen], int((solved[chosen] > 0).sum()), medians[chosen].item())


def depths() -> list[int]:
    """Depths at which every row has been recorded."""
    runs = record()["runs"]
    known = sorted({run["depth"] for run in runs})
    return [depth for depth in known if {run["row"] for run in runs if run["depth"] == depth} == set(ROWS)]
