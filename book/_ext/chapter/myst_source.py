"""A page as markdown-it reads it: texts, formulas, headings, tables, labels and directives, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from markdown_it import MarkdownIt
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from sphinx.application import Sphinx

CHARTS = ("chart", "moving-chart")
DIRECTIVE = re.compile(r"\{([^}\s]+)\}\s*(.*)")
OPTION = re.compile(r"\s*:([\w-]+):(?:\s+(.*))?$")
VERBATIM = {"code-cell", "code-block", "code", "math", "raw", "literalinclude", "bibliography", "image"}


@dataclass
class Piece:
    """A text, a formula, a piece of code or of HTML: what it says and its line."""

    kind: str
    text: str
    line: int
    holder: str = ""  # the block around it: paragraph, heading, table…


@dataclass
class Block:
    """A directive, or a fence without one: name, argument, options, content, line, and the directive around it."""

    name: str
    argument: str
    options: dict[str, str]
    content: str
    line: int
    content_line: int
    outer: Block | None
    closed: bool

    @property
    def title(self) -> str:
        """How it is called."""
        return f"{{{self.name}}}" if self.name else f"«{self.argument}»"

    @property
    def label(self) -> str:
        """The label that its options or its argument give it."""
        return self.argument if self.name in CHARTS else self.options.get("label", self.options.get("name", ""))


@dataclass
class Heading:
    """A heading, its level, and the directive in which it stands."""

    level: int
    text: str
    line: int
    label: str
    outer: Block | None


@dataclass
class Source:
    """All that stands in a page, in its order."""

    text: str
    parser: MarkdownIt
    pieces: list[Piece] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    tables: list[int] = field(default_factory=list)  # lines of their heads
    labels: list[tuple[str, int]] = field(default_factory=list)
    header: str = ""

    def __post_init__(self) -> None:
        self.read(self.text, 0, None)

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the page."""
        return self.text.splitlines()

    @property
    def cells(self) -> list[Block]:
        """The code cells."""
        return [block for block in self.blocks if block.name == "code-cell"]

    def read(self, text: str, offset: int, outer: Block | None) -> None:
        """Read a text whose first line is line ``offset + 1`` of the page."""
        lines = text.splitlines()
        holder, target = "", ""
        for token in self.parser.parse(text + "\n"):
            start, end = token.map or (0, 0)
            line = offset + start + 1
            if token.type == "front_matter":
                self.header = token.content
            elif token.type == "myst_target":
                self.labels.append((token.content, line))
                target = token.content
                continue
            elif token.type == "heading_open":
                inside = lines[start].lstrip("# ") if start < len(lines) else ""
                self.headings.append(Heading(int(token.tag[1:]), inside, line, target, outer))
            elif token.type in {"fence", "colon_fence"}:
                self.read_fence(token, lines[start:end], line, outer)
            elif token.type == "table_open":
                self.tables.append(line)
            elif token.type in {"math_block", "math_block_label", "amsmath"}:
                self.pieces.append(Piece("formula", token.content, line))
                if token.type == "math_block_label":
                    self.labels.append((token.info, offset + end))
            elif token.type in {"html_block", "myst_line_comment"}:
                self.pieces.append(Piece(token.type, token.content, line))
            elif token.type == "inline":
                self.read_inline(token, line, holder)
            if token.nesting == 1:
                holder = token.type.removesuffix("_open")
            target = ""

    def read_fence(self, token: Token, lines: list[str], line: int, outer: Block | None) -> None:
        """Read a directive, and what stands in it."""
        mark = token.markup
        closed = len(lines) > 1 and re.fullmatch(rf"[\s>]*{mark[0]}{{{len(mark)},}}\s*", lines[-1]) is not None
        found = DIRECTIVE.fullmatch(token.info.strip())
        name, argument = (found[1], found[2]) if found else ("", token.info.strip())
        inside = token.content.splitlines()
        options: dict[str, str] = {}
        skipped = 0
        while found and skipped < len(inside) and (option := OPTION.match(inside[skipped])):
            options[option[1]] = (option[2] or "").strip()
            skipped += 1
        content = "\n".join(inside[skipped:])
        block = Block(name, argument, options, content, line, line + 1 + skipped, outer, closed)
        self.blocks.append(block)
        if block.label:
            self.labels.append((block.label, line))
        if (found and name not in VERBATIM) or (token.type == "colon_fence" and not found):
            self.read(content, line + skipped, block)
        elif name == "math":
            self.pieces.append(Piece("formula", content, block.content_line))

    def read_inline(self, token: Token, line: int, holder: str) -> None:
        """Read the texts, formulas and roles of a paragraph."""
        for child in self.leaves(token.children or []):
            kind = {"math_inline": "formula", "math_single": "formula", "math_inline_double": "displayed"}.get(
                child.type
            )
            if child.type in {"softbreak", "hardbreak"}:
                line += 1
            elif child.type == "image":
                self.pieces.append(Piece("image", str(child.attrs.get("src", "")), line, child.content))
            elif child.type == "link_open":
                self.pieces.append(Piece("link", str(child.attrs.get("href", "")), line, holder))
            elif child.type == "myst_role":
                self.pieces.append(Piece(f"role {child.meta['name']}", child.content, line, holder))
            elif kind or child.type in {"text", "code_inline", "html_inline"}:
                self.pieces.append(Piece(kind or child.type, child.content, line, holder))
            if child.type not in {"text", "softbreak", "hardbreak"}:
                line += child.content.count("\n")

    def leaves(self, tokens: list[Token]) -> Iterator[Token]:
        """Yield the tokens that hold no others; neighbouring texts are joined, escaped characters stay apart."""
        joined: Token | None = None
        for token in tokens:
            if token.type == "text_special" and re.match(r"\\[A-Za-z]", token.content):
                token.type = "text"  # a backslash before a letter escapes nothing
            if token.type == "text" and joined is not None:
                joined.content += token.content
                continue
            if joined is not None:
                yield joined
            joined = token if token.type == "text" else None
            if joined is None:
                yield token
        if joined is not None:
            yield joined


def make_parser(app: Sphinx) -> MarkdownIt:
    """Make the parser of the pages; a character behind a backslash remains a token of its own."""
    config: MdParserConfig = app.env.myst_config  # type: ignore[attr-defined]
    from markdown_it.renderer import RendererHTML

    return create_md_parser(config, RendererHTML).disable("text_join")
