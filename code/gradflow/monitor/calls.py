"""The recording core: every call of every module of a model, by name, in order, with nothing left on the model.

:class:`CallWatcher` lays two global hooks of ``torch.nn`` for as long as it is entered. Modules carry no hooks
themselves, so they can be copied, pickled and compiled meanwhile, and modules that the model keeps in a plain list
are seen as well. Both :class:`~gradflow.monitor.GradientMonitor` and
:func:`~gradflow.profile.layer_gradient_norms` stand on it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module


def tensors_in(value: object) -> Iterator[Tensor]:
    """Every float or complex tensor inside nested tuples, lists, mappings and dataclasses, in order."""
    if isinstance(value, Tensor):
        if value.is_floating_point() or value.is_complex():
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield from tensors_in(getattr(value, part.name))


@dataclass(slots=True)
class Call:
    """One call of one module.

    Attributes:
        name: the module's name in the model, as ``named_modules`` gives it; the model itself bears its class's name.
        module: the module; ``args``, ``kwargs`` and ``output`` are what entered and left it.
        first, last: autograd's counter when the call began and ended: an operation numbered ``first <= n < last``
            was made inside.
        outermost: whether no other module of the model was running.
    """

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    first: int
    outermost: bool
    kwargs: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    last: int = -1


class CallWatcher:
    """While entered, report every call of a module of ``model``.

    Attributes:
        names: the name of each module, by its ``id``; unregistered: those that the model does not know, by name.
        strangers: those that are nowhere in its attributes either, by name, with the ``id`` of their parameters.

    Args:
        model: the model, or a ``ModuleList`` or ``ModuleDict`` of models.
        on_return: called with each finished :class:`Call`, innermost first; what it returns, if anything, replaces the
            output. A call that raised is not reported.
        on_call: called with each call before it runs; what it returns, if anything, replaces the arguments.
    """

    def __init__(
        self,
        model: nn.Module,
        on_return: Callable[[Call], Any],
        on_call: Callable[[Call], tuple[Any, ...] | None] | None = None,
    ) -> None:
        self.names, self.unregistered = module_names(model)
        self.strangers: dict[str, set[int]] = {}
        self._known = {id(module) for module in [*model.modules(), *self.unregistered.values()]}
        self._on_return, self._on_call = on_return, on_call
        self._running: list[Call | None] = []
        self._handles: list[Any] = []

    def __enter__(self) -> CallWatcher:
        self._handles = [
            torch_module.register_module_forward_pre_hook(self._before),  # type: ignore[arg-type]  # it may return arguments
            torch_module.register_module_forward_hook(self._after, with_kwargs=True, always_call=True),
        ]
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._running.clear()

    def running(self) -> str | None:
        """The name of the innermost module that is running, or None."""
        return next((call.name for call in reversed(self._running) if call is not None), None)

    def _before(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        parent = self.running()
        if id(module) not in self._known:
            if parent is None:
                self._running.append(None)
                return None
            self._adopt(module, parent)
        call = Call(self.names[id(module)], module, args, sequence_number(), parent is None)
        self._running.append(call)
        return self._on_call(call) if self._on_call is not None else None

    def _after(self, module: nn.Module, args: tuple[Any, ...], *rest: Any) -> Any:
        call = self._running.pop() if self._running else None
        if call is None or len(rest) < 2:  # a stranger, or the call raised: torch then leaves the keywords out
            return None
        call.args, call.kwargs, call.output, call.last = (args, rest[0], rest[1], sequence_number())
        return self._on_return(call)

    def _adopt(self, module: nn.Module, parent: str) -> None:
        """Name a module that runs inside the model and is nowhere in it."""
        for name, inner in module.named_modules(prefix=f"{parent}.<{type(module).__name__}>"):
            self.names.setdefault(id(inner), name)
            self._known.add(id(inner))
            self.unregistered.setdefault(name, inner)
            self.strangers.setdefault(name, set()).update(
                id(parameter) for parameter in inner.parameters(recurse=False) if parameter.requires_grad
            )


def module_names(model: nn.Module) -> tuple[dict[int, str], dict[str, nn.Module]]:
    """The name of each module by its ``id``, and those of them that the model keeps without registering them.

    A module kept in a plain list, tuple, dict or set has no place in ``parameters()``: it is found in the
    attributes and named by them, as ``hidden[0]``.
    """
    names = {id(module): name or type(model).__name__ for name, module in model.named_modules()}
    hidden: dict[str, nn.Module] = {}
    for name, module in _kept(model, nn.Module):
        for inner_name, inner in module.named_modules(prefix=name):
            if id(inner) not in names:
                names[id(inner)] = inner_name
                hidden[inner_name] = inner
    return names, hidden


def parameter_names(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that a gradient is collected in and that the model keeps without registering them, by name."""
    known = {id(parameter) for parameter in model.parameters()}
    found = {
        name: value
        for name, value in _kept(model, Tensor)
        if value.is_leaf and value.requires_grad and id(value) not in known
    }
    for name, module in module_names(model)[1].items():
        found |= {f"{name}.{key}": value for key, value in module.named_parameters(recurse=False)}
    return found


_OWN_ATTRIBUTES = frozenset(vars(nn.Module()))
T = TypeVar("T", nn.Module, Tensor)


def _kept(model: nn.Module, kind: type[T]) -> Iterator[tuple[str, T]]:
    """What lies in plain attributes of the model's modules, alone or in containers, by name."""
    for owner, module in list(model.named_modules()):
        for attribute, value in vars(module).items():
            if attribute not in _OWN_ATTRIBUTES:
                yield from _inside(value, f"{owner}.{attribute}" if owner else attribute, kind)


def _inside(value: object, name: str, kind: type[T]) -> Iterator[tuple[str, T]]:
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _inside(item, f"{name}[{key!r}]", kind)
    elif isinstance(value, (list, tuple, set)):
        for index, item in enumerate(value):
            yield from _inside(item, f"{name}[{index}]", kind)


def sequence_number() -> int:
    """The number autograd gives to the next operation of this thread."""
    return int(torch._C._autograd._get_sequence_nr())


def saves_are_hooked() -> bool:
    """Whether what operations keep for their backward pass goes through hooks now: checkpointing, offloading.

    To read such a tensor would compute it anew, random numbers included.
    """
    return torch._C._autograd._top_saved_tensors_default_hooks(True) is not None


class CallMap:
    """Which call an operation was made in, by its number. Calls are added as they return, innermost first."""

    def __init__(self) -> None:
        self._calls: list[tuple[int, int, str]] = []
        self._ends: list[int] = []

    def add(self, call: Call) -> None:
        """Note a call that has returned."""
        self._calls.append((call.first, call.last, call.name))
        self._ends.append(call.last)

    def inside(self, number: int) -> str | None:
        """The innermost module that ran when operation ``number`` was made, or None."""
        for first, _, name in self._calls[bisect_right(self._ends, number) :]:
            if first <= number:
                return name
        return None

    def before(self, number: int) -> str | None:
        """The last module that had returned when operation ``number`` was made, or None."""
        index = bisect_right(self._ends, number)
        return self._calls[index - 1][2] if index else None
