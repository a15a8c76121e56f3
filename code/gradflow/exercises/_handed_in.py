"""A notebook as it was handed in: which exercises it should hold, where they are answered, and with what code.

Cells of a sheet bear the name of their exercise in their metadata; ``check("name", …)`` names the answer. So cells may
have been moved, renamed files make no difference, and what was deleted is missed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "gradflow"  # in the metadata of a sheet and of its cells
LARGEST = 100 << 20  # bytes; outputs, mostly
_MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)
_CALL = re.compile(r"""\bcheck\(\s*["'](?:ex-)?([\w-]+)["']""")


class UnreadableNotebookError(Exception):
    """The file is no notebook; the message says why, in Russian."""


@dataclass(frozen=True)
class Cell:
    """A cell of code: its place among all cells from 1, its source, its exercise or an empty string."""

    number: int
    source: str
    exercise: str = ""

    @property
    def tree(self) -> ast.Module | None:
        """Its syntax tree without IPython's magics, or None where it cannot be read."""
        try:
            return ast.parse(_MAGIC.sub(r"\1pass", self.source))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


@dataclass(frozen=True)
class Question:
    """Where the answer to a check is to be had: the value of an expression, after a cell has run."""

    check: str
    expression: str
    cell: int


@dataclass(frozen=True)
class HandedIn:
    """What a notebook holds: the name of its sheet, the checks that the sheet asks for, and its cells of code."""

    sheet: str
    wanted: tuple[str, ...]
    cells: tuple[Cell, ...]

    def questions(self) -> dict[str, Question]:
        """The last answer to each check; where its call is gone, the last function of the cells of its exercise."""
        found: dict[str, Question] = {}
        for cell in self.cells:
            functions = [node.name for node in cell.tree.body if isinstance(node, ast.FunctionDef)] if cell.tree else []
            if cell.exercise and functions:
                found[cell.exercise] = Question(cell.exercise, functions[-1], cell.number)
        for cell in self.cells:
            for name, expression in _calls(cell):
                found[name] = Question(name, expression, cell.number)
        return found

    def cells_of(self, check: str, exercise: str) -> list[Cell]:
        """Cells that belong to a check: by their metadata, or because they call it."""
        return [cell for cell in self.cells if cell.exercise == exercise or check in _CALL.findall(cell.source)]

    def code(self, question: Question) -> str:
        """The syntax tree of the function that answers, without its docstring; empty if it is a stub or not there."""
        functions = [
            node
            for cell in self.cells
            for node in ast.walk(cell.tree or ast.Module([], []))
            if isinstance(node, ast.FunctionDef) and node.name == question.expression
        ]
        if not functions:
            return ""
        function = functions[-1]
        if ast.get_docstring(function) is not None:
            function.body = function.body[1:]
        body = [node for node in function.body if not isinstance(node, ast.Pass) and not _is_ellipsis(node)]
        return ast.dump(function) if body else ""


def read(path: Path) -> HandedIn:
    """Read a notebook.

    Raises:
        UnreadableNotebookError: it is no notebook.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UnreadableNotebookError(f"Файл больше {LARGEST >> 20} МиБ.")
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UnreadableNotebookError(f"Файл не открывается: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UnreadableNotebookError("Файл не в кодировке UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableNotebookError(f"Сломанный JSON: {error}.") from None
    try:
        told = _told(notebook)
        cells = [
            Cell(number, _text(cell["source"]), str(_told(cell).get("exercise", "")))
            for number, cell in enumerate(notebook["cells"], start=1)
            if cell["cell_type"] == "code"
        ]
        wanted = tuple(str(name) for name in told.get("checks", []))
        return HandedIn(str(told.get("sheet", "")), wanted, tuple(cells))
    except (KeyError, TypeError, AttributeError):
        raise UnreadableNotebookError("JSON читается, но это не блокнот Jupyter четвёртого формата.") from None


def looks_like_a_notebook(path: Path) -> bool:
    """Whether a file of any name holds a notebook: students rename, and mail programs do, too."""
    try:
        read(path)
    except UnreadableNotebookError:
        return path.suffix == ".ipynb"
    return True


def _told(part: Any) -> dict[str, Any]:
    """What a sheet has written into the metadata of a notebook or of a cell."""
    told = part.get("metadata", {}).get(KEY, {})
    return told if isinstance(told, dict) else {}


def _text(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source)


def _calls(cell: Cell) -> Iterator[tuple[str, str]]:
    """Name and answer of each ``check(name, answer)`` of a cell, in the order of the lines."""
    calls = [node for node in ast.walk(cell.tree or ast.Module([], [])) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: call.lineno):
        called = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if called == "check" and len(given) == 2 and isinstance(given[0], ast.Constant):
            yield str(given[0].value).removeprefix("ex-"), ast.unparse(given[1])


def _is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
