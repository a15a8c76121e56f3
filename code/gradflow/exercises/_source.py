"""Exercises as they stand in the source of a page: titles, minutes, statements, stubs, quizzes and solutions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.colon_fence import colon_fence_plugin

MARKDOWN = MarkdownIt("commonmark").use(colon_fence_plugin)

_DIRECTIVE = re.compile(r"\{([\w:-]+)\}\s*(.*)")
_FORMULA = re.compile(r"^\$\$\n((?:(?!\$\$).)+?)\n\$\$ \(([\w-]+)\)$", re.MULTILINE | re.DOTALL)
_OPTION = re.compile(r"^:([\w-]+):\s*(.*)$")


@dataclass
class Block:
    """A fenced block: directive name (or language), argument, options and content; or plain text."""

    name: str
    argument: str
    options: dict[str, str]
    content: str
    is_directive: bool = False


@dataclass
class Exercise:
    """One exercise with everything that belongs to it, as MyST source."""

    label: str
    title: str
    options: dict[str, str]
    statement: str
    stub: str
    quizzes: dict[str, str]  # name of the check → its question
    folds: dict[str, str] = field(default_factory=dict)  # «Подсказка», «Ответ» → content
    solution: list[Block] = field(default_factory=list)
    solved: bool = False

    @property
    def name(self) -> str:
        """Name of its check."""
        return self.label.removeprefix("ex-")

    @property
    def checks(self) -> list[str]:
        """Names of all its checks: the fields of the page, and its own name if it is for code."""
        return list(self.quizzes) or [self.name]

    @property
    def code(self) -> list[str]:
        """Code cells of the solution, up to the last one that calls ``check``."""
        shown = [block for block in self.solution if "remove-cell" not in block.options.get("tags", "")]
        cells = [block.content for block in shown if block.name == "code-cell"]
        last = max((i for i, cell in enumerate(cells) if "check(" in cell), default=-1)
        return cells[: last + 1]


def russian_minutes(count: int) -> str:
    """``21 минута``, ``22 минуты``, ``25 минут``."""
    if 11 <= count % 100 <= 14 or count % 10 == 0 or count % 10 >= 5:
        return f"{count} минут"
    return f"{count} минута" if count % 10 == 1 else f"{count} минуты"


def blocks(source: str) -> Iterator[Block]:
    """Top-level blocks of a page or of the content of a block, text between them included."""
    lines = source.splitlines()
    done = 0
    for token in MARKDOWN.parse(source):
        if token.level or token.type not in {"fence", "colon_fence"} or token.map is None:
            continue
        yield from _text(lines[done : token.map[0]])
        done = token.map[1]
        yield _block(token)
    yield from _text(lines[done:])


def _text(lines: list[str]) -> Iterator[Block]:
    if lines:
        yield Block("", "", {}, "\n".join(lines).strip())


def _block(token: Token) -> Block:
    directive = _DIRECTIVE.fullmatch(token.info.strip())
    if directive is None:
        return Block(token.info.strip(), "", {}, token.content.strip("\n"))
    inside = token.content.splitlines()
    options: dict[str, str] = {}
    while inside and (option := _OPTION.match(inside[0])):
        options[option[1]] = option[2]
        inside.pop(0)
    return Block(directive[1], directive[2], options, "\n".join(inside).strip("\n"), is_directive=True)


def exercises(source: str) -> list[Exercise]:
    """The exercises of a page in their order."""
    found: list[Exercise] = []
    inside = False
    for block in blocks(source):
        if block.name == "exercise":
            found.append(_exercise(block))
        elif not found:
            continue
        elif block.name == "dropdown" and not inside:
            found[-1].folds[block.argument.split()[0]] = block.content
        elif block.name == "solution-start":
            inside = block.argument == found[-1].label
        elif block.name == "solution-end":
            found[-1].solved, inside = inside, False
        elif inside:
            found[-1].solution.append(block)
    return found


def exercises_of_pages(book: Path) -> dict[str, list[Exercise]]:
    """Exercises of every page of the book that has any, by the page's name."""
    found = {path.stem: exercises(path.read_text(encoding="utf-8")) for path in sorted(book.glob("*.md"))}
    return {name: entries for name, entries in found.items() if entries}


def formulas(source: str) -> dict[str, str]:
    """TeX of every formula of a page that has a label, by the label, without the stop of its sentence."""
    return {match[2]: re.sub(r"\s*(?<!\\)[,.;]$", "", match[1]) for match in _FORMULA.finditer(source)}


def _exercise(block: Block) -> Exercise:
    parts = list(blocks(block.content))
    stub = next((part.content for part in parts if part.name == "python"), "")
    folded = [inner for part in parts if part.name == "dropdown" for inner in blocks(part.content)]
    quizzes = {part.argument: part.content for part in parts + folded if part.name == "quiz"}
    told = [
        part
        for part in parts
        if part.name not in {"quiz", "dropdown"} and (part.name, part.content) != ("python", stub)
    ]
    statement = "\n\n".join(_plain(part) for part in told)
    return Exercise(block.options.get("label", ""), block.argument, block.options, statement, stub, quizzes)


def _plain(block: Block) -> str:
    """What a notebook can show of a block."""
    if not block.name:
        return block.content
    if block.name == "math":
        return f"$$\n{block.content}\n$$"
    language = block.argument if block.name in {"code-block", "code"} else block.name
    return f"```{language}\n{block.content}\n```"
