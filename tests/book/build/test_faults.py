"""A fault injected into a small copy of the book fails the build, and fails it again when it is repeated."""

from pathlib import Path

import pytest

from bookmaker import KERNEL, SAMPLE, build, small_book

CELL = "\n```{code-cell} ipython3\n%s\n```\n"

FAULTS = {
    "a cell raises": (KERNEL + "# Страница\n" + CELL % "1 / 0", "ZeroDivisionError"),
    "a cell writes to stderr": (
        KERNEL + "# Страница\n" + CELL % "import sys\nprint('осторожно', file=sys.stderr)",
        "stderr was found",
    ),
    "an output raises while it is displayed": (
        KERNEL + "# Страница\n" + CELL % "class Bad:\n    def _repr_html_(self):\n        raise RuntimeError\n\nBad()",
        "traceback",
    ),
    "an output shows an object's address": (KERNEL + "# Страница\n" + CELL % "object()", "at 0x"),
    "a reference leads nowhere": ("# Страница\n\nСмотрите {ref}`sec-absent`.\n", "undefined label"),
    "a numbered reference leads nowhere": ("# Страница\n\nНа {numref}`рис. {number} <fig-absent>`.\n", "fig-absent"),
    "a reference to a theorem leads nowhere": ("# Страница\n\nПо {prf:ref}`thm-absent`.\n", "thm-absent"),
    "a work is not in the bibliography": ("# Страница\n\nСмотрите {cite}`nobody1900`.\n", "nobody1900"),
    "a chart has no description": (SAMPLE.replace(":alt:", ""), "give :alt:"),
    "a formula has an unknown macro": (
        "# Страница\n\nПусть\n$\\nosuchmacro x$.\n",
        "page.md:3: WARNING: formula \\nosuchmacro x: Undefined control sequence \\nosuchmacro; use a macro",
    ),
    "a formula does not end": ("# Страница\n\n$$\n\\frac{1}{2\n$$\n", "page.md:3: WARNING: formula \\frac{1}{2: Missing"),
    "a formula is torn by text": ("# Страница\n\nСлово $$a=b и конец.\n", "raw markup"),
    "a picture comes from outside": ('# Страница\n\n<img src="https://example.org/a.png" alt="Кривая растёт от 1 до 4.">\n', "from outside"),
}  # fmt: skip


@pytest.mark.parametrize(("page", "message"), FAULTS.values(), ids=FAULTS)
def test_fault_fails_the_build_twice(tmp_path: Path, page: str, message: str) -> None:
    book = small_book(tmp_path, page)
    for _ in range(2):
        passed, printed = build(book)
        assert not passed
        assert message in printed


def test_slow_cell_fails_the_build_twice(tmp_path: Path) -> None:
    book = small_book(tmp_path, KERNEL + "# Страница\n" + CELL % "import time\ntime.sleep(60)")
    config = book / "_config.yml"
    config.write_text(config.read_text(encoding="utf-8").replace("timeout: 600", "timeout: 2"), encoding="utf-8")
    for _ in range(2):
        passed, printed = build(book)
        assert not passed
        assert "CellTimeoutError" in printed
