"""The step that is being recorded: what the watchers share until it is over."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from gradflow.monitor.calls import Call, CallMap
from gradflow.monitor.measure import NAN, Measure, measure, together
from gradflow.monitor.record import ModuleRecord, Origin, StepRecord


class Trace:
    """One call of one module: what came out, and what its gradient turned out to be."""

    def __init__(self, call: Call, output: Measure) -> None:
        self.name, self.kind, self.first = (call.name, type(call.module).__name__, call.first)
        self.output = output
        self.gradients: list[Measure] = []
        self.spread = self.entered = NAN
        self.by_time: list[float] = []
        self.fed: list[float] = []
        self.bidirectional = False

    def twin(self, call: Call) -> Trace:
        """The trace of a call around this one that returns the same tensor: all is measured once."""
        trace = Trace(call, self.output)
        trace.gradients, trace.spread = self.gradients, self.spread
        return trace

    def collect(self, shares: bool, on_break: Callable[[Trace, str], None]) -> Any:
        """A hook that measures the gradient with respect to the output."""

        def hook(gradient: Tensor | None) -> None:
            if gradient is None:  # of an output that the loss does not use
                return
            self.gradients.append(values := measure(gradient, shares))
            if not values.finite:
                on_break(self, "nan" if values.nan else "inf")

        return hook


class Frame:
    """One step in the making; holds tensors and hooks of this step, and lets go of them in :meth:`close`."""

    def __init__(self, index: int, recorded: bool, previous: Frame | None = None) -> None:
        self.step = StepRecord(index, recorded)
        self.traces: list[Trace] = []
        self.calls = CallMap()
        self.handles: list[Any] = []
        self.last: tuple[Tensor, Trace] | None = None
        self.in_backward = False
        self.passes = 0
        self.roots: list[tuple[Tensor, Tensor | None]] = []  # of every backward pass, with what multiplied it last
        self.opaque = False  # what the graph keeps must not be read
        self.saturated: dict[str, list[float]] = {}
        self.dead: dict[str, list[float]] = {}
        self.versions: dict[str, tuple[int, int]] = {}  # of every gradient when it was read
        # What lasts beyond the step: parameters stepped and not yet cleared; norms since the last step, by name.
        self.stale: set[str] = previous.stale if previous else set()
        self.accumulated: dict[str, float] = previous.accumulated if previous else {}

    @property
    def touched(self) -> bool:
        """Whether anything happened in this step."""
        return bool(self.passes or self.traces or self.step.backwards or self.step.updates)

    def healthy(self) -> str | None:
        """The last module so far whose output is finite."""
        return next((trace.name for trace in reversed(self.traces) if trace.output.finite), None)

    def place(self, number: int) -> str:
        """Where the operation of this number stands, in one word."""
        return self.calls.inside(number) or self.calls.before(number) or ""

    def origin(self, number: int, operation: str | None, what: str, inputs: str = "finite") -> Origin:
        """The place of an operation, in the terms of the record."""
        before = self.calls.before(number)
        return Origin(self.calls.inside(number), operation, before, before, what, inputs, batch=self.passes)

    def broke_below(self, trace: Trace, what: str) -> None:
        """The gradient at a module's output is not finite: a module that took it did it, if no operation did."""
        if self.step.backward is None and math.isfinite(self.step.root):
            above = next((other for other in self.traces if other.first > trace.first and other.gradients), None)
            self.step.backward = Origin(above.name if above else None, None, trace.name, what=what)

    def entered(self) -> tuple[float, float]:
        """The loss that the backward passes of this step started from, unscaled and added up, and its scale."""
        if not self.roots:
            return NAN, 1.0
        scales = [1.0 if factor is None else power_of_two(float(factor)) for _, factor in self.roots]
        return sum(float(root) / scale for (root, _), scale in zip(self.roots, scales, strict=True)), scales[-1]

    def close(self) -> StepRecord:
        """Let go of every hook and tensor, and return what is left: numbers."""
        for handle in self.handles:
            handle.remove()
        self.last = None
        by_name: dict[str, list[Trace]] = {}
        for trace in self.traces:
            by_name.setdefault(trace.name, []).append(trace)
        self.step.modules = {name: _merged(traces) for name, traces in by_name.items()}
        for shares, field in ((self.saturated, "saturated"), (self.dead, "dead")):
            for place, values in shares.items():
                known = [value for value in values if not math.isnan(value)]
                if place in self.step.modules and known:
                    setattr(self.step.modules[place], field, sum(known) / len(known))
        return self.step


def power_of_two(ratio: float) -> float:
    """The loss scale, if ``ratio`` looks like one: a power of two of at least 4; else 1."""
    if not math.isfinite(ratio) or ratio < 3.9:
        return 1.0
    power = math.log2(ratio)
    return 2.0 ** round(power) if abs(power - round(power)) < 1e-3 else 1.0


def _merged(traces: list[Trace]) -> ModuleRecord:
    """All calls of one module. Calls that no gradient reached are left out if it reached another (an evaluation)."""
    used = [trace for trace in traces if trace.gradients] or traces
    first = used[0]
    gradients = [measure for trace in used for measure in trace.gradients]
    return ModuleRecord(
        first.name,
        first.kind,
        calls=len(used),
        output=together([trace.output for trace in used]),
        gradient=together(gradients) if gradients else None,
        entered=first.entered,
        spread=first.spread,
        by_call=[together(trace.gradients).norm for trace in used if trace.gradients] if len(used) > 1 else [],
        by_time=first.by_time,
        fed=first.fed,
        bidirectional=first.bidirectional,
    )
