"""What a reader can move: the controls of a chart, and random numbers that the script in a page draws, too."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

_GOLDEN, _ODD = 0x6D2B79F5, 0x9E3779B9


@dataclass(frozen=True)
class Slider:
    """A number that the reader changes.

    Args:
        label: what it is called, in plain Russian.
        low, high: its ends.
        step: distance between neighbouring positions; on a logarithmic slider in decades.
        start: the value for which the chart is drawn; one of the positions.
        log: whether equal steps multiply by equal factors.

    Raises:
        ValueError: the range is empty, ``step`` is not positive, or ``start`` is not a position.
    """

    label: str
    low: float
    high: float
    step: float
    start: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"low, high: expected {'0 < ' * self.log}low < high, got {self.low!r} and {self.high!r}")
        if not self.step > 0:
            raise ValueError(f"step: expected a positive number, got {self.step!r}")
        position = (self.position(self.start) - self.position(self.low)) / self.step
        if not self.low <= self.start <= self.high or abs(position - round(position)) > 1e-6:
            raise ValueError(f"start: expected a position between {self.low} and {self.high}, got {self.start!r}")

    def position(self, value: float) -> float:
        """Where a value stands on the slider."""
        return math.log10(value) if self.log else value


@dataclass(frozen=True)
class Choice:
    """One of several things that the reader chooses.

    Args:
        label: what it is called, in plain Russian.
        options: value for the formula → name that the reader sees.
        start: the value for which the chart is drawn.

    Raises:
        ValueError: ``start`` is none of the options.
    """

    label: str
    options: Mapping[str, str]
    start: str

    def __post_init__(self) -> None:
        if self.start not in self.options:
            raise ValueError(f"start: expected one of {list(self.options)}, got {self.start!r}")


@dataclass(frozen=True)
class Movement:
    """How a chart moves: ``book/_static/moving_<formula>.js`` draws its curves for the values of its controls."""

    formula: str
    controls: Mapping[str, Slider | Choice]
    data: Any = None

    def script(self) -> str:
        """All of it as data inside a page."""
        told = json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        return f'<script type="application/json">{told}</script>'


def page_normals(*shape: int, seed: int = 0) -> Tensor:
    """Independent standard normal numbers, the same that ``gradflow.normals`` draws in a page.

    Args:
        shape: of the tensor; fewer numbers are the beginning of more.
        seed: a non-negative integer.

    Returns:
        Float64. The generator is mulberry32, the transform that of Box and Muller: good for a demonstration.
    """
    size = math.prod(shape)
    counter = np.arange(1, size + size % 2 + 1, dtype=np.uint64) * _GOLDEN + seed * _ODD
    state = counter.astype(np.uint32)
    mixed = (state ^ (state >> 15)) * (state | 1)
    mixed ^= mixed + (mixed ^ (mixed >> 7)) * (mixed | 61)
    uniform = ((mixed ^ (mixed >> 14)).astype(np.float64) + 0.5) / 2**32
    radius, angle = np.sqrt(-2 * np.log(uniform[::2])), 2 * np.pi * uniform[1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return torch.from_numpy(pairs.ravel()[:size].reshape(shape))
