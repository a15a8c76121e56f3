"""The backward pass: the graph it starts from, the first operation whose gradient breaks, and what the weights get."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradflow.monitor import graph
from gradflow.monitor.frame import Frame
from gradflow.monitor.measure import dead_units, measure, nonzeros, norm
from gradflow.monitor.record import Origin, ParameterRecord, Record
from gradflow.monitor.thresholds import CHANGED, SATURATED_AT


class BackwardWatcher:
    """While entered, look at every backward pass that reaches one of the ``parameters``.

    ``torch.autograd.backward`` is replaced for that time by a function that calls it: it is the one door through
    which ``loss.backward()``, a scaler's scaled loss and a trainer's loop all go, and the only moment at which the
    graph can be read before it is freed.
    """

    def __init__(self, parameters: dict[str, Tensor], record: Record, frame: Frame, shares: bool) -> None:
        self.parameters, self.record, self.frame, self.shares = (parameters, record, frame, shares)
        self._original: Callable[..., Any] | None = None
        self._nodes: list[Node] = []
        self._watching = self._backward  # one bound method, so that it can be recognised

    def __enter__(self) -> BackwardWatcher:
        self._original = torch.autograd.backward
        torch.autograd.backward = self._watching
        return self

    def __exit__(self, *exception: object) -> None:
        if torch.autograd.backward is self._watching and self._original is not None:
            torch.autograd.backward = self._original

    def _backward(self, tensors: Any, *args: Any, **kwargs: Any) -> None:
        assert self._original is not None
        frame = self.frame
        handles: list[Any] = []
        if not frame.in_backward:
            given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
            roots = [root for root in given if isinstance(root, Tensor)]
            if frame.step.recorded:
                handles = self._before(roots)
            else:
                self._note(roots)
        frame.in_backward = True
        try:
            self._original(tensors, *args, **kwargs)
        finally:
            frame.in_backward, self._nodes = False, []
            for handle in handles:
                handle.remove()
        if frame.step.recorded:
            self._after()

    def _before(self, roots: list[Tensor]) -> list[Any]:
        """Read the graph and hook its operations, if it reaches the parameters at all."""
        nodes = graph.graph_nodes(root.grad_fn for root in roots)
        leaves = graph.leaves(nodes)
        reached = {name for name, parameter in self.parameters.items() if id(parameter) in leaves}
        if not reached:
            return []
        step = self.frame.step
        step.backwards += 1
        step.nodes = max(step.nodes, len(nodes))
        self.record.reached |= reached
        self._look_at_old_gradients(reached)
        self._note(roots)
        step.root = sum(float(root.detach().sum()) for root in roots)
        for word, number in graph.patterns(nodes).items():
            step.patterns.setdefault(word, self.frame.place(number))
        readable = [] if self.frame.opaque else nodes
        step.constant_loss = graph.constant_answer(readable)
        if self.shares:
            self._read_activations(readable)
        if not math.isfinite(step.root):
            step.forward = step.forward or self._loss_origin(readable, str(roots[0].dtype).removeprefix("torch."))
            return []
        self._nodes = nodes
        return list(graph.gradient_watch(nodes, self._broke))

    def _note(self, roots: list[Tensor]) -> None:
        """Keep what the pass starts from; nothing is read, so a GPU does not wait."""
        self.frame.roots += [(root.detach().sum(), graph.loss_scale(root)) for root in roots]

    def _look_at_old_gradients(self, reached: set[str]) -> None:
        """Gradients that lie there before the pass: left from the last step, or changed since the last pass."""
        frame = self.frame
        for name in reached:
            gradient = self.parameters[name].grad
            size = 0.0 if gradient is None else norm(gradient)
            if size == 0:
                frame.stale.discard(name)
                frame.accumulated.pop(name, None)
            elif (before := frame.accumulated.get(name)) is not None and size < CHANGED * before:
                frame.step.clipped_between = True

    def _loss_origin(self, nodes: list[Node], dtype: str) -> Origin:
        """The operation that made the loss non-finite although every module gave out finite values."""
        what = "nan" if math.isnan(self.frame.step.root) else "inf"
        found = graph.first_bad_operation(nodes)
        if found is None:
            return Origin(None, None, self.frame.healthy(), self.frame.healthy(), what, dtype=dtype)
        name, number, word, largest = found
        origin = self.frame.origin(number, name, what, word)
        origin.largest, origin.dtype = largest, dtype
        return origin

    def _read_activations(self, nodes: list[Node]) -> None:
        """Saturated and dead activations, from what the operations keep for this pass."""
        for node in nodes:
            name = graph.operation(node)
            if name not in ("Sigmoid", "Tanh", "Relu") or (result := graph.saved(node, "_saved_result")) is None:
                continue
            place = self.frame.place(graph.node_number(node))
            if name == "Relu":
                self.frame.dead.setdefault(place, []).append(dead_units(result))
            else:
                centred = result.detach() * 2 - 1 if name == "Sigmoid" else result.detach()
                share = nonzeros(torch.nn.functional.hardshrink(centred, SATURATED_AT)) / max(1, centred.numel())
                self.frame.saturated.setdefault(place, []).append(share)

    def _broke(self, name: str, number: int, what: str) -> None:
        """A gradient became non-finite or exactly zero inside one operation."""
        step = self.frame.step
        if what != "zero" and step.backward is None and step.forward is None and not self.frame.opaque:
            found = graph.first_bad_operation(self._nodes)
            if found is not None and found[2] == "masked":
                step.forward = self.frame.origin(found[1], found[0], "nan", "masked")
        if (step.vanished if what == "zero" else step.backward) is not None:
            return
        origin = self.frame.origin(number, name, what)
        above = [trace.name for trace in self.frame.traces if trace.first >= number and trace.gradients]
        origin.healthy = above[0] if above else None
        if what == "zero":
            step.vanished = origin
        else:
            step.backward = origin

    def _after(self) -> None:
        """Read what every parameter got."""
        for name, parameter in self.parameters.items():
            if parameter.grad is None or name not in self.record.reached:
                continue
            entries = self.frame.step.parameters
            entry = entries.setdefault(name, ParameterRecord.of(name, parameter))
            values = measure(parameter.grad, self.shares)
            entry.gradient, entry.inf, entry.nan, entry.zeros = (values.norm, values.inf, values.nan, values.zeros)
            entry.subnormal = values.subnormal
            self.frame.accumulated[name] = values.norm
            self.frame.versions[name] = id(parameter.grad), parameter.grad._version
            if not values.finite and self.frame.step.backward is None and math.isfinite(self.frame.step.root):
                owner = name.rpartition(".")[0] or self.record.root
                self.frame.step.backward = Origin(owner, None, what="nan" if values.nan else "inf")
