"""Mistakes that are seen in the source of the cells: each with its line, what is wrong and what to write instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase

from chapter.myst_source import CHARTS, Block, Source

Fault = tuple[int, str]

TAGS = ["hide-input", "hide-output", "hide-cell", "remove-input", "remove-output", "remove-cell"]
CELL_OPTIONS = ["tags", "mystnb"]
CYRILLIC = re.compile("[А-Яа-яЁё]")
DATES = {"now", "today", "utcnow"}
PROGRAM = r"\s*(?:!|%%?(?:bash|conda|pip|script|sh|sx|system)\b)"


def unreadable(source: Source) -> Iterator[Fault]:
    """Faults after which the cells of a page cannot be executed."""
    for cell in source.cells:
        tags = cell.options.get("tags", "[]")
        if cell.content.startswith("---\n"):
            yield cell.line, "the options of a cell between ---; write :tags: [hide-input] under its first line"
        elif not re.fullmatch(r"\[.*\]", tags):
            wanted = ", ".join(re.findall(r"[\w-]+", tags))
            yield cell.line, f"the tags of a cell are a list; write :tags: [{wanted}]"
        else:
            try:
                ast.parse(cell_code(cell))
            except SyntaxError as error:
                yield cell.content_line + (error.lineno or 1) - 1, f"the cell is no Python: {error.msg}"


def find(source: Source) -> Iterator[Fault]:
    """Yield the faults of cells that can be executed."""
    for rule in (cells, names, dates, glued, unused):
        yield from rule(source)


def cell_code(cell: Block) -> str:
    """The Python of a cell; a line of a magic counts as nothing."""
    return "\n".join(re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in cell.content.splitlines())


def cells(source: Source) -> Iterator[Fault]:
    """Cells that are not executed, or whose options are misspelt."""
    for cell in source.cells:
        if cell.outer is not None:
            yield cell.line, f"a cell inside {cell.outer.title} is not executed; put it on the level of the page"
        for option in cell.options:
            if option not in CELL_OPTIONS:
                yield cell.line, f"a cell has no option :{option}:; write :tags:"
        for tag in re.findall(r"[\w-]+", cell.options.get("tags", "")):
            if tag not in TAGS:
                close = (get_close_matches(tag, TAGS, 1, 0) or TAGS)[0]
                yield cell.line, f"a cell has no tag «{tag}»; write {close}, or one of {', '.join(TAGS)}"
        for number, line in enumerate(cell.content.splitlines()):
            if re.match(PROGRAM, line):
                yield cell.content_line + number, "a cell calls a program of this machine; compute in Python"
            elif re.match(r"\s*%%?(?:time|timeit|prun)\b", line):
                yield cell.content_line + number, "a cell measures time; no two builds would agree: record it once"
        if not cell.content.strip():
            yield cell.line, "an empty cell; take it away"


def names(source: Source) -> Iterator[Fault]:
    """Names that only look Latin."""
    for cell in source.cells:
        for node in ast.walk(ast.parse(cell_code(cell))):
            name = next((getattr(node, kind) for kind in ("id", "arg", "name", "attr") if hasattr(node, kind)), None)
            if isinstance(name, str) and CYRILLIC.search(name):
                line = cell.content_line + getattr(node, "lineno", 1) - 1
                yield line, f"the name «{name}» has a Cyrillic letter; type it anew in Latin ones"


def dates(source: Source) -> Iterator[Fault]:
    """Dates of today, which the kernel's guard cannot watch: compiled libraries bear no other datetime."""
    for cell in source.cells:
        for node in ast.walk(ast.parse(cell_code(cell))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DATES:
                line = cell.content_line + node.lineno - 1
                yield line, f"the cell reads the clock ({node.func.attr}); no two builds would agree: write the date"


def calls(cell: Block, *names: str, put_together: bool = False) -> Iterator[ast.Call]:
    """Calls of some functions in a cell whose first argument is a text, or one that is put together."""
    kind = ast.JoinedStr if put_together else ast.Constant
    for node in ast.walk(ast.parse(cell_code(cell))):
        called = isinstance(node, ast.Call) and getattr(node.func, "id", "") in names and bool(node.args)
        if called and isinstance(node, ast.Call) and isinstance(node.args[0], kind):
            yield node


def text_of(call: ast.Call) -> str:
    """The first argument of a call; a star stands for what is known only when the cell runs."""
    first = call.args[0]
    parts = first.values if isinstance(first, ast.JoinedStr) else [first]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)


def glued(source: Source) -> Iterator[Fault]:
    """Charts are glued in a cell that does not show them, shown once, and numbers are used."""
    known: dict[str, int] = {}
    for cell in source.cells:
        tags = set(re.findall(r"[\w-]+", cell.options.get("tags", "")))
        hidden = {"remove-output", "remove-cell"} & tags or tags - set(TAGS)
        for call in calls(cell, "glue", "say"):
            name, line = text_of(call), cell.content_line + call.lineno - 1
            if name in known:
                yield line, f"«{name}» is glued again, first in line {known[name]}; give it another name"
            known.setdefault(name, line)
            silent = any(keyword.arg == "display" for keyword in call.keywords)
            if name.startswith("fig-") and not hidden and not silent:
                yield (
                    cell.line,
                    f"the cell shows {name} a second time; write :tags: [remove-output] under its first line",
                )


def unused(source: Source) -> Iterator[Fault]:
    """Charts that are nowhere shown, and numbers that no sentence says."""
    shown = {piece.text.partition(":")[0] for piece in source.pieces if piece.kind.startswith("role glue:")}
    shown |= {block.argument for block in source.blocks if block.name in CHARTS or block.name.startswith("glue:")}
    for cell in source.cells:
        for call in [*calls(cell, "glue", "say"), *calls(cell, "glue", "say", put_together=True)]:
            name, line = text_of(call), cell.content_line + call.lineno - 1
            if any(fnmatchcase(one, name) for one in shown):
                continue
            if name.startswith("fig-"):
                yield line, f"the chart {name} is nowhere shown; show it with {{chart}} {name}"
            else:
                yield line, f"no sentence says «{name}»; write {{glue:text}}`{name}` where it belongs, or take it away"
