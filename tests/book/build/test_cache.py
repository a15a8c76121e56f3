"""Pages are executed again when the package changes, and only then."""

from pathlib import Path

import pytest
from bookmaker import KERNEL, build, small_book

PAGE = (
    KERNEL
    + """# Страница

Проза.

```{code-cell} ipython3
from gradflow.marker import VALUE
import uuid

print(VALUE, uuid.uuid4())
```
"""
)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book whose page prints a value of the package and a number that no two executions share."""
    folder = small_book(tmp_path_factory.mktemp("cache"), PAGE)
    set_value(folder, "первое")
    return folder


def set_value(book: Path, value: str) -> None:
    """Edit the package."""
    (book / "code" / "gradflow" / "marker.py").write_text(f"VALUE = {value!r}\n", encoding="utf-8")


def printed_on_page(book: Path) -> list[str]:
    """Build, and return the two words that the page shows."""
    passed, log = build(book)
    assert passed, log
    html = (book / "_build" / "html" / "book" / "page.html").read_text(encoding="utf-8")
    return html.split('<div class="output stream')[1].split("<pre>")[1].split("</pre>")[0].replace("<span></span>", "").split()


def test_package_edit_executes_again_and_prose_edit_does_not(book: Path) -> None:
    value, first = printed_on_page(book)
    assert value == "первое"
    assert printed_on_page(book) == [value, first]

    page = book / "book" / "page.md"
    page.write_text(page.read_text(encoding="utf-8").replace("Проза.", "Другая проза."), encoding="utf-8")
    assert printed_on_page(book) == [value, first]
    assert "Другая проза." in (book / "_build" / "html" / "book" / "page.html").read_text(encoding="utf-8")

    set_value(book, "второе")
    value, second = printed_on_page(book)
    assert value == "второе"
    assert second != first

    set_value(book, "первое")
    assert printed_on_page(book) == ["первое", first]
