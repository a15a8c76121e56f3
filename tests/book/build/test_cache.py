"""A page is executed again when something that its cells use has changed, and only then."""

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from bookmaker import KERNEL, build, small_book
from chapter.dependencies import ALWAYS, Package
from chapter.execution import ExecutablePage, longest_first

PAGE = (
    KERNEL
    + """(sec-page)=
# Страница

Проза.

```{code-cell} ipython3
from gradflow.marker import VALUE
import os

print(VALUE, os.getppid())
```
"""
)

SOURCES = {
    "__init__.py": "",
    "core.py": "import torch\n",
    "aside.py": "VALUE = 1\n",
    "broken.py": "VALUE =\n",
    "recorded.py": 'def load(name):\n    return (FOLDER / f"{name}.csv").read_text()\n',
    "numbers.csv": "1\n",
    "numbers.json": "1\n",
    "experiments/__init__.py": "",
    "experiments/gates.py": "from ..core import x\nfrom gradflow import recorded\n",
    "exercises/__init__.py": "from gradflow.exercises._registry import check\n",
    "exercises/_registry.py": "",
    "exercises/gates.py": 'number(\n    "one",\n    1,\n)\n',
    "exercises/bptt.py": 'choice("two", [])\n',
}


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A package of a few modules that import each other."""
    for name, text in SOURCES.items():
        file = tmp_path / "code" / "gradflow" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return Package(tmp_path)


def used(package: Package, *cells: str) -> set[str]:
    """Names of the files of the package on which the cells depend, without those of the packages themselves."""
    folder = package.code / "gradflow"
    files = [
        file for file in package.files_of_page(cells) if file.is_relative_to(folder) and file.name != "__init__.py"
    ]
    return {file.relative_to(folder).as_posix() for file in files}


@pytest.mark.parametrize(
    ("cell", "files"),
    [
        ("import torch", set()),
        ("from gradflow import core", {"core.py"}),
        ("from gradflow.broken import VALUE", {"broken.py"}),
        ("def later():\n    import gradflow.core", {"core.py"}),
        ("%matplotlib inline\nfrom gradflow.core import x", {"core.py"}),
        (
            "from gradflow.experiments.gates import run",
            {"core.py", "recorded.py", "numbers.csv", "experiments/gates.py"},
        ),
        ('from gradflow.exercises import check\ncheck("one", 1)', {"exercises/_registry.py", "exercises/gates.py"}),
        (
            "from gradflow.exercises import status\nstatus()",
            {"exercises/_registry.py", "exercises/gates.py", "exercises/bptt.py"},
        ),
        (
            'from gradflow.exercises import status\nstatus("bptt")',
            {"exercises/_registry.py", "exercises/bptt.py"},
        ),
    ],
)
def test_page_depends_on_what_its_cells_import(package: Package, cell: str, files: set[str]) -> None:
    assert used(package, "x = (", cell) == files


def test_edit_of_a_used_file_changes_the_state_and_of_another_does_not(package: Package) -> None:
    for name in ALWAYS:
        file = package.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("", encoding="utf-8")
    cells = ["from gradflow.experiments.gates import run"]
    before = package.state_of_page(cells)
    for name in ("aside.py", "numbers.json", "exercises/bptt.py"):
        (package.code / "gradflow" / name).write_text("edited = 1", encoding="utf-8")
        assert Package(package.root).state_of_page(cells) == before, name
    for name in ("core.py", "numbers.csv", "experiments/__init__.py"):
        file = package.code / "gradflow" / name
        kept = file.read_text(encoding="utf-8")
        file.write_text("edited = 1", encoding="utf-8")
        assert Package(package.root).state_of_page(cells) != before, name
        file.write_text(kept, encoding="utf-8")
    assert Package(package.root).state_of_page(cells) == before


def test_longest_page_starts_first() -> None:
    pages = [
        ExecutablePage(name, Path(name), new_notebook(cells=[new_code_cell(source)]), "")
        for name, source in {"short": "1 + 1 + 1", "new": "1", "long": "1", "large and new": "1 + 1"}.items()
    ]
    order = [page.docname for page in longest_first(pages, {"short": 1.0, "long": 100.0})]
    assert order == ["large and new", "new", "long", "short"]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book whose page prints a value of the package and a number that no two executions share."""
    folder = small_book(tmp_path_factory.mktemp("cache"), PAGE)
    set_value(folder, "первое")
    return folder


def set_value(book: Path, value: str) -> None:
    """Edit the module that the page uses."""
    (book / "code" / "gradflow" / "marker.py").write_text(f"VALUE = {value!r}\n", encoding="utf-8")


def printed_on_page(book: Path) -> list[str]:
    """Build, and return the two words that the page shows."""
    passed, log = build(book)
    assert passed, log
    assert "Executing notebook" not in log  # by myst-nb, a second time
    html = (book / "_build" / "html" / "book" / "page.html").read_text(encoding="utf-8")
    return (
        html.split('<div class="output stream')[1]
        .split("<pre>")[1]
        .split("</pre>")[0]
        .replace("<span></span>", "")
        .split()
    )


def test_edit_of_a_used_module_executes_again_and_of_prose_or_another_module_does_not(book: Path) -> None:
    value, first = printed_on_page(book)
    assert value == "первое"

    page = book / "book" / "page.md"
    page.write_text(page.read_text(encoding="utf-8").replace("Проза.", "Другая проза."), encoding="utf-8")
    with (book / "code" / "gradflow" / "jacobians.py").open("a", encoding="utf-8") as module:
        module.write("# edited\n")
    assert printed_on_page(book) == [value, first]
    assert "Другая проза." in (book / "_build" / "html" / "book" / "page.html").read_text(encoding="utf-8")

    set_value(book, "второе")
    value, second = printed_on_page(book)
    assert value == "второе"
    assert second != first

    set_value(book, "первое")
    assert printed_on_page(book) == ["первое", first]
