"""What MathJax cannot set is noticed."""

from pathlib import Path

import pytest
from bookmaker import build, small_book
from browser.opening import OpenPage, served


@pytest.mark.parametrize("formula", [r"\nosuchmacro x", r"\frac{1}{2"], ids=["unknown macro", "open brace"])
def test_faulty_formula_is_noticed(formula: str, tmp_path: Path, open_page: OpenPage) -> None:
    book = small_book(tmp_path, f"# Страница\n\nСтоит $1+1$ и ${formula}$.\n")
    build(book)
    with served(book / "_build" / "html") as address, open_page(address + "book/page.html") as opened:
        assert len(opened.faulty_formulas()) == 1
