"""Checks whose answer is a number or a choice; the answer field of the page is made from them.

What they say to an answer is decided here and, for the page, in ``book/_static/exercises.js``:
a test puts the same answers to both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gradflow.exercises._expression import EXAMPLES, UnreadableError, parse
from gradflow.exercises._verdict import Verdict

LETTERS = "абвгдежз"
_LOOK_ALIKES = str.maketrans("AaEeB", "АаЕеВ")
EMPTY = "Ответа пока нет."
UNREADABLE = f"{{}} Число можно записать, например, так: {EXAMPLES}."
NO_NUMBER = "Это не число."
ONE_NUMBER = "Здесь нужно одно число."
NO_INEQUALITY = "Здесь нужно число, а не неравенство."
VAGUE = "С такой точностью верный ответ не отличить от ошибки: {}."
ROUGH = "Верно, но округлено грубо: {}."

_WANTED = {
    None: "нужно точное значение",
    1: "нужна одна значащая цифра",
    2: "нужны две значащие цифры",
    3: "нужны три значащие цифры",
    4: "нужны четыре значащие цифры",
}
_INEQUALITY = re.compile(r"^(?:0\s*[<≤]=?\s*)?(?:[^\W\d_]\w*\s*)?[<>≤≥]=?\s*")  # «c < 4», «0 < c <= 4», «> 4»
_CLOSE = 0.03  # relative error of an answer that went the right way and lost its digits on it


@dataclass(frozen=True)
class NumberCheck:
    """A number, the digits that are asked of it, and the usual wrong numbers with an explanation of each.

    An answer is judged by the wanted number of significant digits (``None``: exactly), rounded or cut off;
    a known mistake is recognised with the same digits. With fewer digits, or within 3 per cent, a right answer
    is called rough instead of wrong. Where the answer is a ``bound``, «c < 4» is read as well as «4».
    """

    name: str
    value: float
    mistakes: Sequence[tuple[float, str]]
    digits: int | None
    right: str
    otherwise: str
    bound: bool = False

    def __post_init__(self) -> None:
        if self.digits not in _WANTED:
            raise ValueError(f"{self.name}: digits: expected 1 to 4 or None, got {self.digits!r}")
        values = [self.value, *(value for value, _ in self.mistakes)]
        for i, value in enumerate(values):
            if not math.isfinite(value):
                raise ValueError(f"{self.name}: expected finite numbers, got {value!r}")
            if any(_has_digits(value, other, self.digits) for other in values[:i]):
                raise ValueError(f"{self.name}: {value!r} cannot be told from another answer")

    @property
    def wanted(self) -> str:
        """Which precision is asked, in words."""
        return _WANTED[self.digits]

    def check(self, answer: object) -> Verdict:
        """Verdict on a number or its spelling."""
        if answer is None or (isinstance(answer, str) and not answer.strip()):
            return Verdict(False, EMPTY)
        if isinstance(answer, (list, tuple, dict, set)):
            return Verdict(False, ONE_NUMBER)
        if not isinstance(answer, str):
            try:
                return self.judge(float(answer))  # type: ignore[arg-type]
            except (ValueError, TypeError, RuntimeError):
                return Verdict(False, UNREADABLE.format(NO_NUMBER))
        text = answer.strip()
        if sign := _INEQUALITY.match(text):
            if not self.bound:
                return Verdict(False, NO_INEQUALITY)
            text = text[sign.end() :]
        try:
            return self.judge(parse(text))
        except UnreadableError as error:
            return Verdict(False, UNREADABLE.format(error.reason))

    def judge(self, number: float) -> Verdict:
        """Verdict on a number."""
        known = [(self.value, self.right), *self.mistakes]
        exact = [i for i, (value, _) in enumerate(known) if _has_digits(number, value, self.digits)]
        if exact:
            nearest = min(exact, key=lambda i: abs(number - known[i][0]))
            return Verdict(nearest == 0, known[nearest][1])
        if self.digits is not None:
            rough = [i for i, (value, _) in enumerate(known) if _is_rounded(number, value, self.digits)]
            if rough and (0 not in rough):
                return Verdict(False, known[min(rough, key=lambda i: abs(number - known[i][0]))][1])
            if len(rough) > 1:
                return Verdict(False, VAGUE.format(self.wanted))
            nearest = min(range(len(known)), key=lambda i: abs(number - known[i][0]))
            if rough or (nearest == 0 and abs(number - self.value) <= _CLOSE * abs(self.value)):
                return Verdict(False, ROUGH.format(self.wanted), close=True)
        return Verdict(False, self.otherwise)

    def field(self) -> dict[str, object]:
        """What the answer field of the page needs to know."""
        known = [(self.value, self.right), *self.mistakes]
        return {
            "kind": "number",
            "answers": [{"value": value, "message": message} for value, message in known],
            "digits": self.digits,
            "bound": self.bound,
            "empty": EMPTY,
            "otherwise": self.otherwise,
            "rough": ROUGH.format(self.wanted),
            "vague": VAGUE.format(self.wanted),
            "unreadable": UNREADABLE,
            "noInequality": NO_INEQUALITY,
        }


def _unit(value: float, digits: int) -> float:
    """One unit of the last of ``digits`` significant digits of ``value``."""
    return float(10.0 ** (math.floor(math.log10(abs(value))) - digits + 1))


def _shortened(number: float, digits: int) -> bool:
    """Whether ``number`` has at most so many significant digits."""
    return number == 0 or math.isclose(number, float(f"{number:.{digits - 1}e}"), rel_tol=1e-12)


def _has_digits(number: float, value: float, digits: int | None) -> bool:
    """Whether ``number`` is ``value`` rounded to so many digits (or finer), or cut off after them."""
    error = abs(number - value)
    if digits is None or value == 0:
        return error <= 1e-9 * abs(value)
    unit = _unit(value, digits)
    cut_off = abs(number) <= abs(value) and number * value > 0 and _shortened(number, digits)
    return error <= 0.5001 * unit or (cut_off and error < unit)


def _is_rounded(number: float, value: float, digits: int) -> bool:
    """Whether ``number`` is ``value`` rounded to fewer digits."""
    if value == 0 or number == 0:
        return False
    return any(_shortened(number, k) and abs(number - value) <= 0.5001 * _unit(value, k) for k in range(1, digits))


@dataclass(frozen=True)
class Option:
    """One line of a choice: its text (MyST, may hold ``$…$``), whether it is true, and why."""

    text: str
    true: bool
    why: str


@dataclass(frozen=True)
class ChoiceCheck:
    """One true option out of several, or (``several=True``) all the true ones.

    To the first wrong selection of several it says only how many marks are wrong; from the second one on it
    explains one of them. A selection that was tried before hears the same again, so clicking alone solves nothing.
    """

    name: str
    options: Sequence[Option]
    several: bool
    right: str
    _tried: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        true = sum(option.true for option in self.options)
        if not 3 <= len(self.options) <= len(LETTERS):
            raise ValueError(f"{self.name}: expected 3 to {len(LETTERS)} options, got {len(self.options)}")
        if true == 0 or (true > 1 and not self.several):
            raise ValueError(f"{self.name}: {true} true options")

    def check(self, answer: object) -> Verdict:
        """Verdict on a letter or letters."""
        letters = LETTERS[: len(self.options)]
        if isinstance(answer, (list, tuple, set, frozenset)):
            answer = " ".join(map(str, answer))
        if answer is None or (isinstance(answer, str) and not answer.strip()):
            return Verdict(False, EMPTY)
        # «а, в», «а) и в)» and Latin letters that look like the Russian ones on the screen
        chosen = re.sub(r"[\s,;.)и]", "", answer.translate(_LOOK_ALIKES).lower()) if isinstance(answer, str) else ""
        if not chosen or any(letter not in letters for letter in chosen):
            wanted = "буквы верных утверждений" if self.several else "букву ответа"
            return Verdict(False, f"Назовите {wanted}: от «{letters[0]}» до «{letters[-1]}».")
        if not self.several and len(set(chosen)) > 1:
            return Verdict(False, "Верный вариант здесь один: назовите одну букву.")
        marks = [letter in chosen for letter in letters]
        wrong = [i for i, option in enumerate(self.options) if marks[i] != option.true and (self.several or marks[i])]
        if not wrong:
            return Verdict(True, self.right)
        if not self.several:
            return Verdict(False, self.options[wrong[0]].why)
        selection = "".join(letter for letter, mark in zip(letters, marks, strict=True) if mark)
        if selection not in self._tried:
            reproach = f" {self._reproach(wrong[0])}" if self._tried else ""
            self._tried[selection] = f"Неверных отметок: {len(wrong)} из {len(self.options)}.{reproach}"
        return Verdict(False, self._tried[selection])

    def _reproach(self, index: int) -> str:
        option = self.options[index]
        return f"Пункт «{LETTERS[index]}» {'пропущен зря' if option.true else 'отмечен зря'}. {option.why}"

    def field(self) -> dict[str, object]:
        """What the answer field of the page needs to know."""
        return {
            "kind": "several" if self.several else "choice",
            "options": [
                {"true": option.true, "message": self._reproach(i) if self.several else option.why}
                for i, option in enumerate(self.options)
            ],
            "right": self.right,
            "empty": EMPTY,
        }
