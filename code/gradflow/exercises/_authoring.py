"""How a page's module registers its checks: ``number``, ``choice`` and ``function``.

Names are those of the exercises without the prefix ``ex-``; messages are Russian plain text
(Unicode for mathematics), because the page and the terminal both show them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

from gradflow.exercises._function import Arguments, FunctionCheck
from gradflow.exercises._guard import Guard
from gradflow.exercises._quiz import ChoiceCheck, NumberCheck, Option
from gradflow.exercises._registry import register


def number(
    name: str,
    value: float,
    *,
    mistakes: Sequence[tuple[float, str]],
    digits: int | None,
    right: str = "Верно.",
    otherwise: str = "Пока не то. Загляните в подсказку.",
    bound: bool = False,
) -> None:
    """Register an exercise whose answer is a number.

    Args:
        name: of the exercise (label ``ex-<name>``) or, for a further field of it, ``<name>-…``.
        value: the right answer, best computed here from its formula.
        mistakes: pairs (usual wrong number, why it is wrong).
        digits: significant digits that are asked, 1 to 4 (the page says so); ``None``: the number itself.
        right: what to say to the right answer.
        otherwise: what to say to a wrong answer that is none of the mistakes.
        bound: the number bounds what is asked about, so «c < 4» is read as well as «4».

    Raises:
        ValueError: a number is not finite, or two of them cannot be told apart, or the name is taken.
    """
    register(_page(), NumberCheck(name, value, mistakes, digits, right, otherwise, bound))


def choice(
    name: str,
    options: Sequence[tuple[str, bool, str]],
    *,
    several: bool = False,
    right: str = "Верно.",
) -> None:
    """Register an exercise whose answer is one of several options, or all the true ones.

    Args:
        options: triples (text in MyST, whether it is true, why), lettered «а», «б», «в»… in this order.
            The reason is what a reader who judged the option wrongly needs to hear.
        several: the reader marks every true option instead of one.
        name, right: as for ``number``.

    Raises:
        ValueError: fewer than 3 or more than 8 options, none is true, or two are where one is asked.
    """
    register(_page(), ChoiceCheck(name, [Option(*option) for option in options], several, right))


def function(
    name: str,
    *,
    reference: Callable[..., Any],
    cases: Callable[[torch.Generator], Sequence[Arguments]],
    mistakes: Sequence[tuple[Callable[..., Any], str]],
    properties: Sequence[tuple[Callable[[Arguments, Any], bool], str]] = (),
    refuses: Sequence[tuple[Arguments, str]] = (),
    changes: Sequence[int] = (),
    observe: Callable[[Arguments, Any], Any] = lambda arguments, result: result,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    right: str = "Верно.",
    by_hand: bool = False,
    most_elements: Callable[[Sequence[Any]], int] | None = None,
) -> None:
    """Register an exercise whose answer is a function.

    Args:
        reference: a right solution by an independent road (autograd, a closed form); its parameter
            names are the ones that messages use. Results may be tensors, arrays, numbers, or
            (nested) lists, tuples and dicts of them.
        cases: from a seeded generator, the argument tuples to try, small ones first.
        mistakes: pairs (function that makes a usual mistake, its explanation); the first one that
            reproduces every wrong result of the answer is named.
        properties: pairs (predicate of the arguments after the call and the result, what to say if it fails).
        refuses: pairs (arguments on which the answer must raise ValueError, what to say if it does not).
        changes: positions of the arguments which the answer may change in place.
        observe: from the arguments after the call and the result, what to compare with the reference.
        rtol, atol: tolerances of the comparison.
        by_hand: the answer may not differentiate automatically.
        most_elements: from the arguments, how many elements a tensor that the answer makes may have.
        name, right: as for ``number``.

    Raises:
        ValueError: the name is taken.
    """
    guard = Guard(by_hand, most_elements)
    entry = FunctionCheck(
        name, reference, cases, mistakes, properties, refuses, changes, observe, rtol, atol, right, guard
    )
    register(_page(), entry)


def _page() -> str:
    """The module that called the helper; its name is the page's."""
    return str(sys._getframe(2).f_globals["__name__"]).rpartition(".")[2]
