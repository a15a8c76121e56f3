"""Handwritten digits read pixel by pixel: the recorded run of 784 steps that no page can afford to repeat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

NAMES = {
    "GRU": "GRU",
    "LSTM chrono": "LSTM, chrono",
    "LRU": "LRU",
    "IRNN": "IRNN",
    "tanh orth": "tanh, ортогональная",
    "LSTM 1": "LSTM, b = 1",
}
"""The record's names of the models, and the page's."""


class Recorded(NamedTuple):
    """A model with one learning rate.

    Attributes:
        name: as the page shows it; rate: the learning rate.
        passes: over the training digits after which it was measured ``(P,)``.
        accuracy: share of right answers on the test digits ``(seeds, P)``.
    """

    name: str
    rate: float
    passes: Tensor
    accuracy: Tensor


def recorded_pixels() -> tuple[dict[str, str], list[Recorded]]:
    """The record of the digits at full length: where it was made, and its runs, best model first.

    Returns:
        Device, versions and date by name, and one entry a model and learning rate.
    """
    record = json.loads(Path(__file__).with_name("pixels.json").read_text(encoding="utf-8"))
    groups: dict[tuple[str, float], list[list[list[float]]]] = {}
    for run in record["runs"]:
        groups.setdefault((run["kind"], run["lr"]), []).append(run["curve"])
    entries = []
    for (kind, rate), curves in groups.items():
        values = torch.tensor(curves, dtype=torch.float64)  # (seeds, P, columns): pass, validation, test, loss
        entries.append(Recorded(NAMES[kind], rate, values[0, :, 0], values[:, :, 2]))
    entries.sort(key=lambda entry: -entry.accuracy[:, -1].median().item())
    return {name: str(record[name]) for name in ("device", "torch", "python", "recorded")}, entries
