"""Checks whose answer is a function: many random inputs against an independent reference."""

from __future__ import annotations

import copy
import inspect
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradflow._global_seed import global_seed
from gradflow.book.prose import written
from gradflow.exercises import _runner
from gradflow.exercises._guard import Guard
from gradflow.exercises._verdict import Verdict

Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class FunctionCheck:
    """See ``_authoring.function`` for the meaning of the fields."""

    name: str
    reference: Callable[..., Any]
    cases: Callable[[torch.Generator], Sequence[Arguments]]
    mistakes: Sequence[tuple[Callable[..., Any], str]]
    properties: Sequence[tuple[Callable[[Arguments, Any], bool], str]]
    refuses: Sequence[tuple[Arguments, str]]
    changes: Sequence[int]
    observe: Callable[[Arguments, Any], Any]
    rtol: float
    atol: float
    right: str
    guard: Guard = field(default_factory=Guard)

    def inputs(self) -> list[Arguments]:
        """The arguments of every call, the same in each run."""
        generator = torch.Generator().manual_seed(zlib.crc32(self.name.encode()))
        with global_seed():  # of the weights that a new layer has before a case fills it
            return [tuple(case) for case in self.cases(generator)]

    def example(self, number: int) -> Arguments:
        """The arguments of call ``number``; those that must be refused stand after the others."""
        refused: list[Arguments] = [_clone(arguments) for arguments, _ in self.refuses]
        return [*self.inputs(), *refused][number]

    def check(self, answer: object) -> Verdict:
        """Verdict on a function; the first thing wrong is the one reported."""
        # An answer may draw random numbers: the same ones each time, and the reader's own stream stays untouched.
        with global_seed():
            return self._verdict(answer)

    def _verdict(self, answer: object) -> Verdict:
        complaint = self._wrong_kind(answer)
        if complaint:
            return Verdict(False, complaint)
        assert callable(answer)
        inputs = self.inputs()
        given = [_clone(case) for case in inputs]
        started = time.process_time()
        wanted = [self._outcome(self.reference, case) for case in inputs]
        run = _runner.run(answer, given, usual=time.process_time() - started, guard=self.guard)
        # A failed call may have left its arguments half-changed: only finished calls are judged.
        seen = [
            self._observe(after, result, right)
            for after, result, right in zip(given, run.results, wanted, strict=False)
        ]
        if run.results and all(map(self._untouched, inputs, given, run.results)):
            return Verdict(False, "Функция ничего не сделала: тело ещё не написано.")
        note = "\nЗаодно: функция печатает, а от неё нужен только результат." if run.printed else ""
        for i, result in enumerate(run.results):
            complaint = self._judge(inputs[i], given[i], result)
            difference = _compare(seen[i], wanted[i], self.rtol, self.atol)
            if not complaint and difference:
                complaint = "\n".join(filter(None, [self._cause(inputs, seen, wanted), _capital(difference)]))
            complaint = complaint or self._broken_property(given[i], result)
            if complaint:
                return Verdict(False, f"{complaint}\n{self._input(i, inputs[i])}{note}")
        if run.complaint():
            i = len(run.results)
            return Verdict(False, f"{run.complaint()}\n{self._input(i, inputs[i])}{note}")
        for i, (arguments, message) in enumerate(self.refuses, start=len(inputs)):
            error = _runner.run(answer, [_clone(arguments)]).error
            if not isinstance(error, ValueError):
                raised = f" Сейчас здесь {type(error).__name__}." if error else ""
                return Verdict(False, f"{message}{raised}\n{self._input(i, arguments)}{note}")
        return Verdict(True, self.right + note)

    def _wrong_kind(self, answer: object) -> str:
        if not callable(answer):
            return "Передайте саму функцию, без скобок и без вызова."
        wanted = list(inspect.signature(self.reference).parameters)
        try:
            inspect.signature(answer).bind(*wanted)
        except TypeError:
            return f"Функция должна принимать аргументы ({', '.join(wanted)}) в этом порядке."
        except ValueError:
            pass  # a built-in without a signature: let the call decide
        return ""

    def _outcome(self, function: Callable[..., Any], case: Arguments) -> list[Any]:
        arguments = _clone(case)
        result = function(*arguments)
        return self._observe(arguments, result)

    def _observe(self, arguments: Arguments, result: Any, wanted: Sequence[Any] = ()) -> list[Any]:
        try:
            observed = self.observe(arguments, result)
            flat = _flatten(observed)
            if wanted and _shapes(flat) != _shapes(wanted):  # a list of numbers will do where a vector is wanted
                vectors = _flatten(_vectors(observed))
                flat = vectors if _shapes(vectors) == _shapes(wanted) else flat
            return flat
        except Exception:  # the answer has the wrong form; the reference never gets here
            return [_Unusable(result)]

    def _judge(self, before: Arguments, after: Arguments, result: Any) -> str:
        """What is wrong whatever the values are."""
        if result is None and not self.changes:
            return "Функция вернула None: тело ещё не написано или забыт return."
        for i, name in enumerate(inspect.signature(self.reference).parameters):
            if i not in self.changes and not _same(before[i], after[i]):
                if isinstance(before[i], nn.Module) and _same(
                    list(before[i].parameters()), list(after[i].parameters())
                ):
                    return (
                        f"После вызова у параметров {name} остались градиенты .grad. "
                        f"Уберите их ({name}.zero_grad()) или возьмите torch.autograd.grad."
                    )
                return f"Функция изменила свой аргумент {name}: вызвавший её код этого не ждёт."
        return ""

    def _untouched(self, before: Arguments, after: Arguments, result: Any) -> bool:
        """Whether a call that may work in place left everything as it was, as an empty stub does."""
        return bool(self.changes) and result is None and all(_same(before[i], after[i]) for i in self.changes)

    def _broken_property(self, arguments: Arguments, result: Any) -> str:
        for holds, message in self.properties:
            try:
                held = holds(arguments, result)
            except Exception:  # nothing of the kind that the property speaks of
                held = False
            if not held:
                return message
        return ""

    def _cause(self, inputs: list[Arguments], seen: list[list[Any]], wanted: list[list[Any]]) -> str:
        """Explanation of the first known mistake that gives the same wrong results, or an empty string."""
        for function, message in self.mistakes:
            if self._explains(function, inputs, seen, wanted):
                return message
        return _habit(inputs, seen, wanted, self.rtol, self.atol)

    def _explains(
        self, mistake: Callable[..., Any], inputs: list[Arguments], seen: list[list[Any]], wanted: list[list[Any]]
    ) -> bool:
        """Whether a mistake gives the same right and wrong results, and does give wrong ones."""
        differs = False
        for case, mine, right in zip(inputs, seen, wanted, strict=False):
            try:
                theirs = self._outcome(mistake, case)
            except Exception:  # a mistake need not be defined on every input
                continue
            wrong = bool(_compare(theirs, right, self.rtol, self.atol))
            if _compare(mine, theirs if wrong else right, self.rtol, self.atol):
                return False  # wrong in another way, or also where the mistake does no harm
            differs = differs or wrong
        return differs

    def _input(self, number: int, case: Arguments) -> str:
        """The arguments of a call in words, and how to get them."""
        return f'Вход: {self._describe(case)}. Получить его: example("{self.name}", {number}).'

    def _describe(self, case: Arguments) -> str:
        names = inspect.signature(self.reference).parameters
        return ", ".join(f"{name} = {_text(value)}" for name, value in zip(names, case, strict=True))


@dataclass(frozen=True)
class _Unusable:
    """Something in a result that is not a number, an array or a collection of them."""

    value: Any


def _clone(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(_clone(item) for item in value)
    if isinstance(value, list):
        return [_clone(item) for item in value]
    if isinstance(value, nn.Module):
        return copy.deepcopy(value)
    return value


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, Tensor):
        return bool(before.shape == after.shape) and torch.equal(torch.nan_to_num(before), torch.nan_to_num(after))
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(_same(a, b) for a, b in zip(before, after, strict=True))
    if isinstance(before, nn.Module):
        pairs = zip(before.parameters(), after.parameters(), strict=True)
        return all(_same(a.data, b.data) and (a.grad is None) == (b.grad is None) for a, b in pairs)
    return True


def _flatten(result: Any) -> list[Any]:
    """Tensors of a result in order; numbers and numpy arrays become tensors."""
    if isinstance(result, Tensor):
        return [result.detach()]
    if isinstance(result, np.ndarray):
        try:
            return [torch.from_numpy(np.ascontiguousarray(result)).reshape(result.shape)]
        except TypeError:  # an array of objects
            return [_Unusable(result)]
    if isinstance(result, (bool, int, float, np.number)):
        return [torch.tensor(result, dtype=torch.float64)]
    if isinstance(result, dict):
        return [tensor for value in result.values() for tensor in _flatten(value)]
    if isinstance(result, (list, tuple)):
        return [tensor for value in result for tensor in _flatten(value)]
    return [_Unusable(result)]


def _vectors(value: Any) -> Any:
    """The same with every list of numbers made a 1-D tensor."""
    if not isinstance(value, (list, tuple)):
        return value
    items = [_vectors(item) for item in value]
    flat = _flatten(items)
    whole = len(flat) == len(items) > 0 and all(isinstance(item, Tensor) and item.ndim == 0 for item in flat)
    return torch.stack(flat) if whole else items


def _shapes(values: Sequence[Any]) -> list[Any]:
    return [getattr(value, "shape", None) for value in values]


def _compare(seen: list[Any], wanted: list[Any], rtol: float, atol: float) -> str:
    """What is wrong with a flattened result, in Russian; empty if nothing is."""
    bad = next((item for item in [*seen, *wanted] if isinstance(item, _Unusable)), None)
    if bad is not None:
        return f"В ответе {type(bad.value).__name__}, а нужны числа или тензоры."
    if len(seen) != len(wanted):
        hint = " Если это части одного тензора, соберите их: torch.stack." if len(seen) > len(wanted) else ""
        return f"тензоров и чисел в ответе {len(seen)}, а должно быть {len(wanted)}.{hint}"
    for i, (mine, right) in enumerate(zip(seen, wanted, strict=True)):
        place = f"Часть {i + 1} ответа: " if len(wanted) > 1 else ""
        if mine.shape != right.shape:
            return f"{place}форма {_shape(mine)}, а должна быть {_shape(right)}."
        if mine.ndim > 0 and mine.dtype != right.dtype:
            return f"{place}тип {_dtype(mine)}, а на таких входах должен быть {_dtype(right)}."
        both = mine.to(torch.float64), right.to(torch.float64)
        if both[1].isfinite().all() and not both[0].isfinite().all():
            return f"{place}в ответе inf или nan."
        if not torch.allclose(*both, rtol=rtol, atol=atol, equal_nan=True):
            return f"{place}{_difference(*both)}"
    return ""


def _difference(mine: Tensor, right: Tensor) -> str:
    if mine.numel() == 1:
        texts = _told_apart(float(mine), float(right))
        return f"получилось {texts[0]}, а должно быть {texts[1]}."
    at = int((mine - right).abs().nan_to_num(posinf=torch.inf).argmax())
    index = ", ".join(str(int(i)) for i in np.unravel_index(at, tuple(mine.shape)))
    texts = _told_apart(float(mine.flatten()[at]), float(right.flatten()[at]))
    return f"элемент [{index}] равен {texts[0]}, а должен быть {texts[1]}."


def _told_apart(mine: float, right: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ."""
    pairs = [(written(mine, digits), written(right, digits)) for digits in (3, 6, 10, 17)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])


def _habit(inputs: list[Arguments], seen: list[list[Any]], wanted: list[list[Any]], rtol: float, atol: float) -> str:
    """Slips that need no list: a constant, the input itself, a transpose, a sign, a common factor."""

    def equal(a: Any, b: Any) -> bool:
        return not _compare(a, b, rtol, atol)

    if any(isinstance(item, _Unusable) for mine in seen for item in mine):
        return ""
    pairs = list(zip(seen, wanted, strict=False))
    for i in range(len(inputs[0]) if pairs else 0):
        if all(equal(mine, _flatten(case[i])) for case, mine in zip(inputs, seen, strict=False)):
            return "Функция возвращает свой аргумент без изменений."
    varied = len(seen) > 1 and any(not equal(wanted[0], w) for w in wanted)
    if varied and all(equal(seen[0], mine) for mine in seen[1:]):
        return "Функция возвращает одно и то же, что ей ни дай."
    if not pairs or any(len(m) != len(w) for m, w in pairs):
        return ""
    if all(equal([-item for item in mine], right) for mine, right in pairs):
        return "Всё верно, кроме знака."
    if all(equal([item.mT if item.ndim > 1 else item for item in mine], right) for mine, right in pairs):
        return "Ответ транспонирован."
    factors = {
        round(float(m.double().norm() / w.double().norm()), 6)
        for mine, right in pairs
        for m, w in zip(mine, right, strict=True)
        if w.double().norm() > 0
    }
    if len(factors) == 1:
        factor = factors.pop()
        if factor not in (0, 1) and all(equal([item / factor for item in mine], right) for mine, right in pairs):
            return f"Ответ всюду отличается от верного в одно и то же число раз: множитель {written(factor)}."
    return ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _shape(value: Tensor) -> str:
    return str(tuple(value.shape)) if value.ndim else "() (одно число)"


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _text(value: Any) -> str:
    """Short Russian description of an argument."""
    if isinstance(value, Tensor):
        if 0 < value.numel() <= 4:  # small enough to be typed in again: in the notation of the code
            return str(np.round(value.detach().double().numpy(), 3).tolist())
        return f"тензор {tuple(value.shape)}"
    if isinstance(value, (bool, int, str)):
        return str(value)
    if isinstance(value, float):
        return written(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_text(item) for item in value) + "]" if len(value) <= 3 else f"список из {len(value)}"
    if isinstance(value, nn.Module):
        return repr(value).split("\n")[0].rstrip("(")
    return getattr(value, "__name__", type(value).__name__)
