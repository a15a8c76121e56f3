"""What a rule found, before it is put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gradflow.monitor.record import Origin


@dataclass(frozen=True)
class Symptom:
    """A code of the table of messages, its place and step, and the numbers of its sentence.

    Attributes:
        rank: 0 for what was observed to break first, 1 for a plain mistake of the loop, 2 for what follows from
            numbers, 3 for what may be the background of another finding.
    """

    code: str
    where: str
    since: int
    rank: float
    values: Mapping[str, float | str] = field(default_factory=dict)


def place(origin: Origin) -> str:
    """A module and an operation as one phrase: ``«encoder.0» · Sqrt``, ``«head» → Div``."""
    spot = f"«{origin.module}»" if origin.module else f"«{origin.after}» →" if origin.after else ""
    return f"{spot} {'· ' if origin.module and origin.operation else ''}{origin.operation or ''}".strip()
