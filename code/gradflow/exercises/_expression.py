"""Numbers as people write them: ``4,9·10^{8}``, ``33 %``, ``⅓``, ``0,(3)``, ``λ = ln 99``, ``2√3``, ``в 10 раз``.

The sign of multiplication may be left out before a name, a root or a bracket, unless that could be
read in two ways: ``1/2π``, ``√2π`` and ``e^2π`` need brackets. The same grammar is implemented in
``book/_static/exercises.js``; a test feeds one table to both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

EXAMPLES = "0,05; 7,3e8; 7,3·10^8; 3/7; 2/(5π); ln 13; √11; 12 %"
LONGEST = 100

UNKNOWN = "Не понимаю «{}»."
EMPTY = "В «{}» нет числа."
MISSING = "Рядом с «{}» не хватает числа."
BRACKET = "Скобка не закрыта: «{}»."
TWO_WAYS = "«{}» можно прочитать двояко: поставьте скобки или знак умножения."
NOT_FINITE = "У «{}» нет конечного значения."
TOO_LONG = "Ответ длиннее ста знаков."

_CONSTANTS = {"pi": math.pi, "e": math.e}
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "ln": math.log,
    "log": math.log,
    "lg": math.log10,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "sigm": lambda x: 1 / (1 + math.exp(-x)),
}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_FRACTIONS = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8",
}  # fmt: skip # a table
_SPELLINGS = {
    "−": "-", "–": "-", "·": "*", "×": "*", "⋅": "*", "÷": "/", ":": "/", "**": "^", "{": "(", "}": ")",
    "π": " pi ", "√": " sqrt ", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
}  # fmt: skip # a table
_NAME = re.compile(r"^(?:[^\W\d_](?:[\w₀-₉]|\^\w)*\s*=|[≈=~])\s*")  # «λ_1 = …», «≈ …»
_TIMES = re.compile(r"^(?:в\s+|[×*]\s*)(?=[\d(])")  # «в 10 раз», «×10»
_UNIT = re.compile(  # what may stand behind a number, and counts nothing
    r"(?<=[\d)])\s*(?:раза?|шаг(?:а|ов)?|умножени[еяй]|множител[ьяе]й?|сло(?:й|я|ёв|ев)|порядк(?:а|ов)|нат|бита?)$"
)
_PERIOD = re.compile(r"(\d+),(\d*)\((\d+)\)")  # 0,1(6)
_TOKEN = re.compile(r"\s*(?:(\d+(?:[.,]\d+)?(?:e[+-]?\d+)?|[.,]\d+)|([a-z]+)|([-+*/^()%]))")


class UnreadableError(ValueError):
    """The text is no number; ``reason`` says in Russian which part of it is to blame."""

    def __init__(self, reason: str, fragment: str = "") -> None:
        shown = fragment.strip().replace("sqrt", "√").replace("pi", "π").replace("*", "·")
        self.reason = reason.format(shown)
        super().__init__(f"text: {self.reason}")


def parse(text: str) -> float:
    """Value of a number or a short expression.

    Raises:
        UnreadableError: the text is empty, longer than 100 characters, not of the grammar, or not finite.
    """
    if len(text.strip()) > LONGEST:
        raise UnreadableError(TOO_LONG)
    clean = re.sub(r"\s*\.$", "", text.strip()).lower()
    clean = _UNIT.sub("", _TIMES.sub("", _NAME.sub("", clean)))
    clean = re.sub(r"(?<=\d)е(?=[-+−\d])", "e", clean)  # the Russian letter in 4,9е8
    clean = _PERIOD.sub(_repeating, clean)
    clean = re.sub(r"(\d*)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])", lambda m: f"({m[1] or 0}+{_FRACTIONS[m[2]]})", clean)
    for spelling, plain in _SPELLINGS.items():
        clean = clean.replace(spelling, plain)
    clean = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+", lambda m: f"^({m[0].translate(_SUPERSCRIPTS)})", clean)
    clean = re.sub(r"(?<=\d) +(?=10\^)", "*", clean)  # 1,8 10^19
    clean = re.sub(r"(?<=\d) +(?=\d{3}(?!\d))", "", clean)  # 1 000 000
    if not clean.strip():
        raise UnreadableError(EMPTY, text)
    parser = _Parser(_tokens(clean.strip()))
    try:
        value = _finite(parser.sum())
    except UnreadableError:
        raise
    except (ArithmeticError, ValueError) as error:
        raise UnreadableError(NOT_FINITE, text) from error
    if parser.position != len(parser.tokens):
        raise UnreadableError(UNKNOWN, parser.tokens[parser.position])
    return float(value)


def _repeating(match: re.Match[str]) -> str:
    """``0,1(6)`` as the fraction (16 - 1)/90."""
    whole, fixed, period = match.groups()
    numerator = int(whole + fixed + period) - int(whole + fixed)
    return f"({numerator}/{'9' * len(period)}{'0' * len(fixed)})"


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UnreadableError(UNKNOWN, re.match(r"\s*(?:[^\W\d]+|.)", text[position:])[0])  # type: ignore[index]
        token = match[0].strip()
        if match[2] and token not in _FUNCTIONS and token not in _CONSTANTS:
            raise UnreadableError(UNKNOWN, token)
        tokens.append(token)
        position = match.end()
    return tokens


def _finite(value: float) -> float:
    if isinstance(value, complex) or not math.isfinite(value):
        raise ArithmeticError("a value on the way is not a finite real number")
    return value


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.position = 0

    def next(self) -> str:
        """The next token, or an empty string."""
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        """The next token if it is one of the wanted, else an empty string."""
        token = self.next()
        self.position += token in wanted and token != ""
        return token if token in wanted else ""

    def two_ways(self) -> UnreadableError:
        return UnreadableError(TWO_WAYS, "".join(self.tokens[max(self.position - 2, 0) : self.position + 1]))

    def sum(self) -> float:
        value = self.product()
        while sign := self.take("+", "-"):
            value = value + self.product() if sign == "+" else value - self.product()
        return value

    def product(self) -> float:
        value, divided = self.signed(), False
        while True:
            if sign := self.take("*", "/"):
                divided = sign == "/"
                value = value * self.signed() if sign == "*" else value / self.signed()
            elif not self.glued():
                return _finite(value)
            elif divided:
                raise self.two_ways()  # 1/2π: times π or by π?
            else:
                value *= self.power()

    def signed(self) -> float:
        if sign := self.take("+", "-"):
            return -self.signed() if sign == "-" else self.signed()
        return self.power()

    def power(self) -> float:
        base = self.atom()
        if self.take("^"):
            base = _finite(base ** self.bounded(self.signed, "sqrt"))
        while self.take("%"):
            base /= 100
        return _finite(base)

    def bounded(self, read: Callable[[], float], *ends: str) -> float:
        """An exponent or an argument: nothing may be glued to it but after a bracket, or what surely ends it."""
        value = read()
        if self.glued() and self.tokens[self.position - 1] != ")" and self.next() not in ends:
            raise self.two_ways()  # √2π: of 2 or of 2π?
        return value

    def glued(self) -> bool:
        """Whether the next token begins a factor without a sign of multiplication."""
        return re.match("[a-z(]", self.next()) is not None

    def atom(self) -> float:
        start = self.position
        if self.take("("):
            value = self.sum()
            if not self.take(")"):
                raise UnreadableError(BRACKET, "".join(self.tokens[start:]))
            return value
        if name := self.take(*_FUNCTIONS):
            # sigm(1)^20 is the power of the function, √2^2 the root of the power
            argument = self.atom() if self.next() == "(" else self.bounded(self.power)
            return _FUNCTIONS[name](argument)
        if name := self.take(*_CONSTANTS):
            return _CONSTANTS[name]
        if self.next()[:1] in tuple("0123456789.,"):
            self.position += 1
            return float(self.tokens[self.position - 1].replace(",", "."))
        raise UnreadableError(MISSING, "".join(self.tokens[max(self.position - 1, 0) : self.position + 1]))
