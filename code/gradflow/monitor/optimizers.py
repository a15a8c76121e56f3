"""What an optimiser's step does to the weights, seen from torch's global hooks round every ``step``."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gradflow.monitor.frame import Frame
from gradflow.monitor.measure import NAN, nonzeros, norm
from gradflow.monitor.record import OptimizerRecord, ParameterRecord, Record


class UpdateWatcher:
    """While entered, read every optimiser's step that moves one of the ``parameters``.

    One copy of the weights lives from the beginning of the step to its end. ``held`` are the parameters of all
    optimisers met, by ``id``.
    """

    def __init__(self, parameters: dict[str, Tensor], record: Record, frame: Frame, shares: bool) -> None:
        self.parameters, self.record, self.frame, self.shares = (parameters, record, frame, shares)
        self._names = {id(parameter): name for name, parameter in parameters.items()}
        self._copies: dict[str, Tensor] = {}
        self._handles: list[Any] = []
        self._met: set[int] = set()
        self.held: set[int] = set()

    def __enter__(self) -> UpdateWatcher:
        self._handles = [
            register_optimizer_step_pre_hook(lambda optimizer, *_: self._before(optimizer)),
            register_optimizer_step_post_hook(lambda optimizer, *_: self._after(optimizer)),
        ]
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._copies.clear()

    def meet(self, optimizer: Optimizer, given: bool = False) -> list[str]:
        """Note the optimiser, one that was ``given`` in any case; return the names of the parameters it holds."""
        self.held.update(id(parameter) for group in optimizer.param_groups for parameter in group["params"])
        held = [
            (self._names[id(parameter)], number)
            for number, group in enumerate(optimizer.param_groups)
            for parameter in group["params"]
            if id(parameter) in self._names
        ]
        if (held or given) and id(optimizer) not in self._met:
            self._met.add(id(optimizer))
            numbers = {
                key: float(value) for key, value in optimizer.defaults.items() if isinstance(value, (int, float))
            }
            self.record.optimizers.append(OptimizerRecord(type(optimizer).__name__, numbers, dict(held)))
        return [name for name, _ in held]

    def _before(self, optimizer: Optimizer) -> None:
        names, step = self.meet(optimizer), self.frame.step
        if not names:
            return
        step.updates += 1
        step.rates = tuple(float(group["lr"]) for group in optimizer.param_groups if "lr" in group)
        if not step.recorded:
            return
        driven = [name for name in names if self.parameters[name].grad is not None]
        fresh = [name for name in driven if name in self.frame.accumulated]
        step.kept |= bool(fresh) and self.frame.stale.issuperset(fresh)
        for name in driven:
            parameter = self.parameters[name]
            entry = step.parameters.setdefault(name, ParameterRecord.of(name, parameter))
            assert parameter.grad is not None
            same = self.frame.versions.get(name) == (id(parameter.grad), parameter.grad._version)
            entry.stepped = entry.gradient if same else norm(parameter.grad)
            entry.weight = norm(parameter.detach())
            self._copies[name] = parameter.detach().clone()

    def _after(self, optimizer: Optimizer) -> None:
        for name in self.meet(optimizer):
            self.frame.accumulated.pop(name, None)
            if self.frame.step.recorded:
                self.frame.stale.add(name)
            if (before := self._copies.pop(name, None)) is not None:
                self._read(self.frame.step.parameters[name], before, self.parameters[name])

    def _read(self, entry: ParameterRecord, before: Tensor, parameter: Tensor) -> None:
        step = before.sub_(parameter.detach())
        entry.update = norm(step)
        if self.shares and parameter.grad is not None and not parameter.grad.is_sparse:
            driven = nonzeros(parameter.grad)
            entry.unmoved = max(0.0, 1 - nonzeros(step) / driven) if driven else NAN
        if not math.isfinite(entry.update):
            entry.weight_bad = int((~parameter.detach().isfinite()).sum())
            if math.isfinite(entry.weight) and math.isfinite(entry.stepped):
                self.frame.step.broken_update = self.frame.step.broken_update or entry.name
