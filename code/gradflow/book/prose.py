"""Numbers and tables as a Russian reader expects them: decimal comma, real minus, powers of ten in superscripts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from IPython.display import Markdown
from torch import Tensor

from gradflow.book.gluing import glue

_PARTED = 5  # digits
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def written(value: float | Tensor, digits: int = 3) -> str:
    """Write ``value`` for Russian prose, rounded to ``digits`` significant digits.

    Args:
        value: a real number or a tensor that holds one; integers are written exactly.
        digits: significant digits of a non-integer, at least 1.

    Returns:
        ``0,974`` · ``−3,20`` · ``65 504`` · ``4,86·10⁸`` · ``10⁻³⁰`` · ``∞`` · ``nan``.

    Raises:
        ValueError: ``digits`` is not positive.
    """
    if digits < 1:
        raise ValueError(f"digits: expected an integer >= 1, got {digits!r}")
    if isinstance(value, Tensor):
        value = value.item()
    if isinstance(value, int):
        return _russian(str(value))
    value = float(value)
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if -4 < power < max(digits, 5):
        text = f"{float(f'{mantissa}e{exponent}'):.{max(digits - 1 - power, 0)}f}"
    else:
        scale = "10" + str(power).translate(_SUPERSCRIPTS)
        unit = float(mantissa) in (1.0, -1.0) and digits == 1
        text = (mantissa.removesuffix("1") + scale) if unit else f"{mantissa}·{scale}"
    return _russian(text)


def _russian(number: str) -> str:
    """Give a number its comma and its minus; thin spaces part thousands from five digits on."""
    whole, point, rest = number.partition(".")
    if whole.lstrip("-").isdecimal() and len(whole.lstrip("-")) >= _PARTED:
        whole = f"{int(whole):,}".replace(",", "\u202f")
    return f"{whole}{',' * len(point)}{rest}".replace("-", "−")


def decimal(value: float, places: int = 1) -> str:
    """Write ``value`` with a fixed number of ``places`` after the comma; what rounds to zero has no sign."""
    return _russian(f"{round(float(value), places) + 0.0:.{places}f}")


def say(name: str, value: float | Tensor | str, digits: int = 3) -> None:
    """Let the prose say ``value`` where it writes ``{glue:text}`name```.

    Args:
        name: by which the prose asks for it.
        value: a number goes through :func:`written`, a text is kept.
        digits: significant digits of a non-integer.
    """
    glue(name, value if isinstance(value, str) else written(value, digits), display=False)


def table(header: Sequence[str], rows: Sequence[Sequence[float | Tensor | str]], digits: int = 3) -> Markdown:
    """A table that a notebook renders and Jupyter Book turns into its own.

    Args:
        header: one name a column.
        rows: strings are kept (formulas between dollars are rendered), numbers go through :func:`written`.
        digits: significant digits of the numbers.

    Raises:
        ValueError: a row is longer or shorter than the header.
    """
    for index, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"rows: expected {len(header)} cells in row {index}, got {len(row)}")
    lines = [header, ["---"] * len(header)]
    lines += [[cell if isinstance(cell, str) else written(cell, digits) for cell in row] for row in rows]
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))
