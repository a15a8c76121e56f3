"""What several rules ask of a record: how the loss went, which modules are leaves, how a norm runs over the depth."""

from __future__ import annotations

import math
from functools import cached_property
from statistics import median

from gradflow.monitor.measure import NAN
from gradflow.monitor.record import ModuleRecord, Record, StepRecord
from gradflow.monitor.thresholds import threshold


class Evidence:
    """A record, read with a question in mind."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.steps = record.steps
        self.recorded = [
            step for step in record.steps if step.recorded and (step.modules or step.backwards or step.updates)
        ]

    @cached_property
    def losses(self) -> list[float]:
        """The finite losses before the first that is not."""
        losses: list[float] = []
        for step in self.steps:
            if not math.isfinite(step.loss):
                break
            losses.append(step.loss)
        return losses

    @cached_property
    def broken_at(self) -> int | None:
        """The first step whose loss, gradients or weights are not finite."""
        for step in self.steps:
            broken = any(entry.weight_bad for entry in step.parameters.values())
            if broken or step.bad_gradients or not math.isfinite(step.loss):
                return step.index
        return None

    @cached_property
    def first_loss(self) -> float:
        """The median of the first tenth."""
        return median(self.losses[: max(1, len(self.losses) // 10)]) if self.losses else NAN

    @cached_property
    def last_loss(self) -> float:
        """The median of the last fifth."""
        return median(self.losses[-max(1, len(self.losses) // 5) :]) if self.losses else NAN

    @property
    def fall(self) -> float:
        """By which share the loss fell, of its first value; nan with fewer than four steps."""
        if len(self.losses) < 4 or not self.first_loss:
            return NAN
        return (self.first_loss - self.last_loss) / abs(self.first_loss)

    @property
    def flat(self) -> bool:
        """Ten steps or more, and the loss did not fall."""
        return len(self.losses) >= 10 and self.fall < threshold("flat")

    @property
    def stuck(self) -> bool:
        """The loss did not fall, or stays where a constant answer leaves it."""
        constant = self.recorded[-1].constant_loss if self.recorded else NAN
        return self.flat or (not self.falls and self.last_loss > 0.9 * constant)

    @property
    def falls(self) -> bool:
        """The network learns, whatever else there is."""
        return self.fall > threshold("falls")

    @cached_property
    def smooth(self) -> list[float]:
        """Medians of five neighbouring losses; the losses themselves where there are fewer than ten."""
        if len(self.losses) < 10:
            return self.losses
        return [median(self.losses[index : index + 5]) for index in range(len(self.losses) - 4)]

    @property
    def growth(self) -> float:
        """How far the positive loss rose above its start, noise smoothed; inf if it became so by its size."""
        losses = list(self.smooth)
        if len(self.losses) < len(self.steps) and (origin := self.steps[len(self.losses)].forward) is not None:
            losses += [math.inf] if origin.what == "inf" or origin.inputs == "large" else []
        if not losses or not self.losses[0] > 0:
            return NAN
        spike = max(self.losses) / max(self.losses[0], median(self.losses))
        rise = max(max(losses) / max(self.losses[:5]), self.last_loss / self.losses[0])
        return max(rise, spike) if spike > threshold("spike") else rise

    def leaves(self, step: StepRecord) -> list[ModuleRecord]:
        """The modules of a step that contain no other, in the order of the computation."""
        names = step.modules.keys()
        parents = {name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count(".") + 1)}
        roots = {name for name in names if self._is_root(name)}
        kept = [module for name, module in step.modules.items() if name not in parents and name not in roots]
        return kept or list(step.modules.values())

    def _is_root(self, name: str) -> bool:
        return name == self.record.root and len(self.record.kinds) > 1

    def relative_updates(self, step: StepRecord) -> list[float]:
        """Update over weight of every matrix of the step."""
        return [
            entry.update / entry.weight
            for entry in step.parameters.values()
            if entry.matrix and entry.weight > 0 and entry.stepped > 0 and math.isfinite(entry.update)
        ]

    def still(self, steps: list[StepRecord]) -> bool:
        """Whether ``steps`` make up half of the last third of the run."""
        late = self.recorded[-max(1, len(self.recorded) // 3) :]
        return sum(step in steps for step in late) >= len(late) / 2

    def middle(self, values: list[float]) -> float:
        """The median of the known values."""
        known = [value for value in values if not math.isnan(value)]
        return median(known) if known else NAN
