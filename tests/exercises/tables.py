"""A short table of right and wrong answers becomes a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from gradflow.exercises import check
from gradflow.exercises._function import FunctionCheck
from gradflow.exercises._registry import find

TABLES: dict[str, Callable[..., None]] = {}


def answers(
    name: str, *, right: Sequence[Callable[..., Any]], wrong: Sequence[tuple[Callable[..., Any], str]] = ()
) -> Callable[..., None]:
    """A test of a code exercise: every right answer passes; every wrong one fails with its message.

    Args:
        name: of the check.
        right: at least one function in another style than the published solution.
        wrong: pairs (function, fragment of the message meant for it), beside the mistakes that the check knows.

    That a constant or the returned input fails is tested as well.
    """
    if not right:
        raise ValueError(f"{name}: expected at least one right answer")
    lazy = [(answer, "") for answer in lazy_answers(name)]
    rows = [(answer, None) for answer in right] + list(wrong) + lazy

    @pytest.mark.parametrize(("answer", "message"), rows, ids=[f"{i}-{_title(row[0])}" for i, row in enumerate(rows)])
    def test(answer: Callable[..., Any], message: str | None) -> None:
        verdict = check(name, answer)
        assert verdict.passed == (message is None), verdict
        assert (message or "") in verdict.message

    TABLES[name] = test
    return test


def lazy_answers(name: str) -> list[Callable[..., Any]]:
    """Constants, the right answer to one input, each argument handed back."""
    entry = find(name)
    assert isinstance(entry, FunctionCheck), f"{name} is not a check of a function"
    first = entry.inputs()[0]
    known = entry.reference(*entry.inputs()[0])
    constants = [None, 0, 1.0, True, "", [], known]
    return [lambda *a, c=c: c for c in constants] + [lambda *a, i=i: a[i] for i in range(len(first))]


def _title(answer: Any) -> str:
    function = answer.func if isinstance(answer, partial) else answer
    return getattr(function, "__name__", type(function).__name__)  # the same in every run: no address
