"""The monitor: a context manager round an ordinary training loop."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow._validation import require_count
from gradflow.monitor import lags, views
from gradflow.monitor.backward import BackwardWatcher
from gradflow.monitor.calls import parameter_names
from gradflow.monitor.findings import Diagnosis, diagnose
from gradflow.monitor.forward import ForwardWatcher
from gradflow.monitor.frame import Frame, power_of_two
from gradflow.monitor.messages import require_language
from gradflow.monitor.optimizers import UpdateWatcher
from gradflow.monitor.record import Record

if TYPE_CHECKING:
    import pandas

    from gradflow.book import Chart


class GradientMonitor:
    """Watch a training loop and say what is wrong with it.

    ::

        with GradientMonitor(model, optimizer) as monitor:
            for x, y in batches:
                loss = criterion(model(x), y)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                monitor.step(loss)
        print(monitor.diagnose())

    Gradients, weights, buffers and random numbers are to the bit what they would be without it. Nothing is put on the
    model: calls of modules and steps of optimisers are seen through torch's global hooks, backward passes through
    ``torch.autograd.backward``; all are given back on exit, also when the loop raises.

    Every number that is read waits for the device: on a GPU a step takes several times as long (a transformer of 25
    million weights on an H200: 7, without ``shares`` 3), and ``every=20`` is for long runs (a quarter more).

    Args:
        model: any module; several models as ``nn.ModuleList`` or ``nn.ModuleDict``.
        optimizer: one optimiser or several; those that step inside the block are seen in any case.
        scaler: a ``torch.amp.GradScaler``; without it the scale is read off the loss that enters the backward pass.
        every: record the first step and then one of every so many; of the others the loss alone is kept.
        shares: also count zeros, subnormal, saturated and unmoved values, dead units and the spread over the batch.
        lang: language of the words, ``"ru"`` or ``"en"``.

    Attributes:
        record: all that was seen (:class:`~gradflow.monitor.record.Record`): numbers and names, no tensors.

    Raises:
        ValueError: an argument is none of the above, or ``model`` is one into which hooks cannot see: compiled,
            scripted, or replicated on several devices.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
        *,
        scaler: Any = None,
        every: int = 1,
        shares: bool = True,
        lang: str = "ru",
    ) -> None:
        _require_transparent(model)
        optimizers = _require_optimizers(optimizer)
        if scaler is not None and not callable(getattr(scaler, "get_scale", None)):
            raise ValueError(f"scaler: expected a torch.amp.GradScaler, got {type(scaler).__name__}")
        if not isinstance(shares, bool):
            raise ValueError(f"shares: expected True or False, got {shares!r}")
        self.every, self.lang = require_count("every", every), require_language(lang)
        self.record = Record(type(model).__name__)
        self._scaler, self._entered = scaler, False
        self._frame = Frame(1, recorded=True)
        self._forward = ForwardWatcher(model, self.record, self._frame, shares)
        strangers = parameter_names(model)
        parameters: dict[str, Tensor] = {**dict(model.named_parameters()), **strangers}
        self.record.unregistered = list(strangers)
        self.record.parameters = {name: parameter.requires_grad for name, parameter in parameters.items()}
        self.record.forget_bias = {
            self._forward.names[id(module)]: bias
            for module in model.modules()
            if (bias := lags.forget_bias(module)) is not None
        }
        self._backward = BackwardWatcher(parameters, self.record, self._frame, shares)
        self._updates = UpdateWatcher(parameters, self.record, self._frame, shares)
        for each in optimizers:
            self._updates.meet(each, given=True)

    def __enter__(self) -> GradientMonitor:
        if self._entered:
            raise RuntimeError("GradientMonitor: this monitor is watching already")
        self._entered = True
        for watcher in (self._forward, self._backward, self._updates):
            watcher.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watcher in (self._updates, self._backward, self._forward):
            watcher.__exit__()
        self._entered = False
        if kind is not None:
            self.record.exception = f"{kind.__name__}: {exception}"
        if self._frame.touched:
            self._close(None)

    def step(self, loss: Tensor | float | None = None) -> None:
        """End one step of the loop; ``loss`` is the step's loss as the loop knows it, before any scaling.

        Without it, it is what the backward passes of the step started from, added up; a last factor that is a power of
        two, at least 4, is taken for a scaler's and left out.

        Raises:
            ValueError: ``loss`` is neither a real number nor a tensor that holds one.
        """
        self._close(None if loss is None else _require_loss(loss))

    def _close(self, loss: float | None) -> None:
        step = self._frame.close()
        if loss is None:
            step.loss, step.scale = self._frame.entered()
        else:
            step.loss, step.scale = loss, power_of_two(step.root / loss) if loss else 1.0
        if self._scaler is not None:
            step.scale = float(self._scaler.get_scale())
        self.record.steps.append(step)
        for name, own in self._forward.strangers.items():
            module = step.modules.get(name)
            if module is not None and module.gradient is not None and own - self._updates.held:
                self.record.strangers.add(name)
        for name, module in step.modules.items():
            self.record.kinds.setdefault(name, module.kind)
        index = len(self.record.steps) + 1
        self._frame = Frame(index, (index - 1) % self.every == 0, self._frame)
        self._forward.frame = self._backward.frame = self._updates.frame = self._frame

    def diagnose(self) -> Diagnosis:
        """What is wrong, the surest first; printed, it is text."""
        return diagnose(self.record, self.lang)

    def table(self) -> pandas.DataFrame:
        """One row a module and step, and the step's numbers of its parameters taken together."""
        return views.table(self.record)

    def to_json(self) -> str:
        """The record and the findings as JSON."""
        return views.to_json(self.record, self.diagnose())

    def summary(self) -> str:
        """One line a module, for a terminal of 80 columns."""
        return views.summary(self.record, self.lang)

    def report(self) -> str:
        """One screen of text for a forum or a ticket: versions, model, loss, findings, the worst modules."""
        return views.report(self.record, self.diagnose(), self.lang)

    def plot(self) -> Chart:
        """The loss and the gradients by module and by step, as a figure of the book."""
        return views.plot(self.record, self.lang)


def _require_transparent(model: nn.Module) -> None:
    """Refuse what hooks cannot see into, with a word on what to hand in instead."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"model: expected an nn.Module, got {type(model).__name__}")
    for module in model.modules():
        if hasattr(module, "_orig_mod") or module._compiled_call_impl is not None:
            raise ValueError(
                f"model: expected a model that is not compiled, got {type(module).__name__}: hooks do not see inside; "
                "train the original (model._orig_mod, or before model.compile()) while you look for the fault"
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError("model: expected a Python model, got a ScriptModule: hooks do not see inside")
        if isinstance(module, nn.DataParallel) and len(module.device_ids) > 1:
            raise ValueError(
                f"model: expected one replica, got DataParallel on {len(module.device_ids)} devices; "
                "hand in and train model.module while you look for the fault"
            )


def _require_loss(loss: object) -> float:
    """The loss as a number, nan and inf included."""
    if isinstance(loss, Tensor):
        if loss.numel() != 1 or loss.is_complex() or loss.is_meta:
            raise ValueError(f"loss: expected a tensor that holds one real number, got shape {tuple(loss.shape)}")
        return float(loss.detach().to_dense())
    if isinstance(loss, bool) or not isinstance(loss, int | float):
        raise ValueError(f"loss: expected a number or a tensor that holds one, got {type(loss).__name__}")
    return float(loss)


def _require_optimizers(optimizer: Optimizer | Sequence[Optimizer] | None) -> list[Optimizer]:
    if not isinstance(optimizer, Optimizer | Sequence | None):
        raise ValueError(f"optimizer: expected torch.optim.Optimizer or several, got {type(optimizer).__name__}")
    optimizers = [] if optimizer is None else [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
    for each in optimizers:
        if not isinstance(each, Optimizer):
            raise ValueError(f"optimizer: expected torch.optim.Optimizer or several, got {type(each).__name__}")
    return optimizers
