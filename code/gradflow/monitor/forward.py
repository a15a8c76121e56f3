"""The forward pass: what every module gives out, and where the first non-finite value is made."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from gradflow.monitor import graph, lags
from gradflow.monitor.calls import Call, CallWatcher, saves_are_hooked, tensors_in
from gradflow.monitor.frame import Frame, Trace
from gradflow.monitor.measure import NAN, measure, norm, spread, together
from gradflow.monitor.record import InputRecord, Origin, Record


class ForwardWatcher(CallWatcher):
    """Put every call of a module into the frame, and a hook on what it gives out."""

    def __init__(self, model: nn.Module, record: Record, frame: Frame, shares: bool) -> None:
        super().__init__(model, self._returned, self._called)
        self.record, self.frame, self.shares = record, frame, shares

    def _recording(self) -> bool:
        return self.frame.step.recorded and not self.frame.in_backward and torch.is_grad_enabled()

    def _called(self, call: Call) -> tuple[Any, ...] | None:
        if not self._recording():
            return None
        self.frame.opaque |= saves_are_hooked()
        if call.outermost:
            self.frame.passes += 1
            self._read_input(call)
        if not isinstance(call.module, nn.RNNBase):
            return None
        trained = any(weight.requires_grad for weight in call.module.parameters())
        return lags.with_gradient(call.args) if trained else None

    def _returned(self, call: Call) -> None:
        if not self._recording():
            if call.module.training and not torch.is_grad_enabled() and not self.frame.in_backward:
                self.record.without_grad.add(call.name)
            return
        frame = self.frame
        frame.calls.add(call)
        outputs = list(tensors_in(call.output))
        if not outputs:
            return
        entered = next(tensors_in(call.args), None) if next(call.module.children(), None) is not None else None
        if frame.last is not None and outputs[0] is frame.last[0] and len(outputs) == 1:
            frame.traces.append(twin := frame.last[1].twin(call))
            twin.entered = norm(entered.detach()) if entered is not None else NAN
            return
        trace = Trace(call, together([measure(output, self.shares) for output in outputs]))
        trace.entered = norm(entered.detach()) if entered is not None else NAN
        if self.shares:
            trace.spread = spread(outputs[0], trace.output.norm if len(outputs) == 1 else norm(outputs[0].detach()))
        if not trace.output.finite and frame.step.forward is None:
            frame.step.forward = self._origin(call, outputs, trace)
        frame.traces.append(trace)
        frame.last = outputs[0], trace
        hook = trace.collect(self.shares, frame.broke_below)
        frame.handles += [output.register_hook(hook) for output in outputs if output.requires_grad]
        if isinstance(call.module, nn.RNNBase):
            self._watch_time(call, trace)

    def _read_input(self, call: Call) -> None:
        """Size and offset of a batch; a tensor that carries a gradient is no batch but another module's work."""
        data = next(tensors_in(call.args), None)
        if data is None or data.grad_fn is not None or not data.numel() or data.is_complex() or data.is_sparse:
            return
        values = data.detach().float()
        size = norm(values)
        bad = 0 if _clean(data) else int((~values.isfinite()).sum())
        deviation = float(values.std()) if values.numel() > 1 else NAN
        offset = abs(float(values.mean())) / deviation if deviation > 0 else NAN
        step = self.frame.step
        if step.inputs is None or bad:
            step.inputs = InputRecord(size / math.sqrt(values.numel()), offset, bad)
        if bad and step.forward is None:
            what = "nan" if bool(values.isnan().any()) else "inf"
            step.forward = Origin(call.name, what=what, inputs="batch", batch=self.frame.passes)

    def _origin(self, call: Call, outputs: list[Tensor], trace: Trace) -> Origin:
        """Was the first non-finite output made inside this module, or before it, between two modules?"""
        entered = list(tensors_in([call.args, call.kwargs]))
        clean = all(map(_clean, entered))
        roots = outputs if clean else entered
        nodes = [] if self.frame.opaque else graph.graph_nodes(tensor.grad_fn for tensor in roots)
        found = graph.first_bad_operation(nodes, call.first if clean else 0)
        name, order, word, largest = found or (None, call.first, "finite", NAN)
        origin = self.frame.origin(order, name, "nan" if trace.output.nan else "inf", word)
        if clean:
            origin.module = origin.module or call.name
        else:
            origin.module = origin.module or self.running()
        if not all(math.isfinite(norm(weight.detach())) for weight in call.module.parameters()):
            origin.inputs = "weights"
        sizes = [measure(tensor, shares=True).largest for tensor in entered if tensor.numel() and clean]
        origin.largest = max(sizes, default=largest)
        origin.dtype = trace.output.dtype
        origin.healthy = self.frame.healthy()
        return origin

    def _watch_time(self, call: Call, trace: Trace) -> None:
        """Hook the input sequence of a recurrent module and the sequence it gives out, to read gradients by lag."""
        module, sequence, states = (call.module, call.args[0] if call.args else call.kwargs["input"], call.output[0])
        assert isinstance(module, nn.RNNBase)
        entering = sequence.data if isinstance(sequence, PackedSequence) else sequence
        leaving = states.data if isinstance(states, PackedSequence) else states
        trace.bidirectional = module.bidirectional

        def read_time(gradient: Tensor | None) -> None:
            trace.by_time = lags.by_time(module, sequence, gradient)

        def read_fed(gradient: Tensor | None) -> None:
            trace.fed = lags.by_time(module, states, gradient)

        if isinstance(entering, Tensor) and entering.requires_grad:
            self.frame.handles.append(entering.register_hook(read_time))
        if leaving.requires_grad:
            self.frame.handles.append(leaving.register_hook(read_fed))


def _clean(tensor: Tensor) -> bool:
    """Whether all is finite, or minus infinity in a tensor without gradient: a mask."""
    if math.isfinite(norm(tensor.detach())):
        return True
    return not tensor.requires_grad and bool((tensor < math.inf).all())
