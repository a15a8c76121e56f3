"""One page is built alone: references to the others are no faults, its own faults are."""

import sys
from pathlib import Path

from bookmaker import run, small_book

FIRST = "(sec-first)=\n# Первая\n\nДальше {ref}`вторая <sec-second>` и {doc}`second`.\n"
SECOND = "(sec-second)=\n# Вторая\n\nНазад {ref}`первая <sec-first>`. TODO: конец.\n"
CITING = "(sec-first)=\n# Первая\n\nЭто заметили давно {cite}`bengio1994`.\n"
LITERATURE = "(sec-references)=\n# Литература\n\n```{bibliography}\n:all:\n```\n"


def build_page(book: Path, name: str) -> tuple[bool, str]:
    """Build one page, as ``make page`` does."""
    return run(book, sys.executable, "book/_ext/build_page.py", name)


def test_page_is_built_without_the_others(tmp_path: Path) -> None:
    book = small_book(tmp_path, first=FIRST, second=SECOND)
    passed, printed = build_page(book, "first")
    assert passed, printed
    assert (book / "_build" / "page" / "_build" / "html" / "book" / "first.html").exists()

    passed, printed = build_page(book, "second")
    assert not passed
    assert f"{book / 'book' / 'second.md'}:4: WARNING: «TODO»" in printed


def test_what_a_page_cites_is_found(tmp_path: Path) -> None:
    passed, printed = build_page(small_book(tmp_path, first=CITING, references=LITERATURE), "first")
    assert passed, printed


def test_name_of_no_page_is_answered_with_the_names(tmp_path: Path) -> None:
    passed, printed = build_page(small_book(tmp_path, first=FIRST), "frist")
    assert not passed
    assert "expected one of first; got 'frist'" in printed
