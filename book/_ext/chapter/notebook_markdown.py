"""The Markdown cells of a page as plain Markdown, which Jupyter, Colab and Kaggle show: no roles, no directives.

What the book numbers keeps its number; a glued number stands as a number; a fold is a ``<details>``. Of a directive
that is not known here the content remains.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from chapter.myst_source import CHARTS
from chapter.student_notebooks import Resolve, options_of, plain_markdown
from gradflow.exercises._source import Block, blocks, russian_minutes

_PROOFS = {
    "theorem": "Теорема", "lemma": "Лемма", "proposition": "Предложение", "definition": "Определение",
    "corollary": "Следствие", "remark": "Замечание", "example": "Пример", "algorithm": "Алгоритм",
}  # fmt: skip
_CALLOUTS = {"important": "Важно", "note": "Замечание", "warning": "Осторожно", "tip": "Совет"}
_LABELLED_FORMULA = re.compile(r"\n\$\$[ \t]*\(([\w-]+)\)")


def glued_values(outputs: list[Any]) -> dict[str, str]:
    """Texts that the cells have glued for the prose, by name."""
    found = {}
    for output in outputs:
        told = output.get("metadata", {}).get("scrapbook")
        text = told and output["data"].get(f"{told['mime_prefix']}text/plain")
        if text:
            try:
                found[told["name"]] = str(ast.literal_eval(text))
            except (ValueError, SyntaxError):  # no literal: a chart
                found[told["name"]] = text
    return found


def page_markdown(source: str, resolve: Resolve, number: Mapping[str, str], glued: Mapping[str, str]) -> str:
    """Plain Markdown of a cell.

    Args:
        source: MyST.
        resolve: text for a cross-reference.
        number: label → number that the book prints.
        glued: name → text.
    """

    def text_of(role: str, words: str, target: str) -> str:
        return glued.get(target, target) if role.startswith("glue") else resolve(role, words, target)

    def plain(text: str) -> str:
        def tag(match: re.Match[str]) -> str:
            label = f"equation-{match[1]}"
            return f"\n\\tag{{{number[label]}}}\n$$" if label in number else "\n$$"

        return plain_markdown(_LABELLED_FORMULA.sub(tag, text), text_of)

    def convert(text: str) -> str:
        parts = [one(block) for block in blocks(text)]
        return "\n\n".join(part for part in parts if part.strip())

    def titled(kind: str, label: str, title: str) -> str:
        head = f"{kind} {number.get(label, '')}".strip()
        return f"**{head} ({plain(title)}).**" if title else f"**{head}.**"

    def one(block: Block) -> str:
        name, content, label = block.name, block.content, block.options.get("label", "")
        kind = name.removeprefix("prf:")
        if not name:
            return plain(content)
        if not block.is_directive:
            return f"```{name}\n{content}\n```"
        if name in {"code-block", "code"}:
            return f"```{block.argument}\n{content}\n```"
        if name == "math":
            return f"$$\n{content}\n$$"
        if kind == "proof":
            return f"**Доказательство.** {convert(content)}"
        if name.startswith("prf:") and kind in _PROOFS:
            return _quoted(f"{titled(_PROOFS[kind], label, block.argument)} {convert(content)}")
        if name == "admonition" or name in _CALLOUTS:
            return _quoted(f"**{plain(block.argument) or _CALLOUTS.get(name, '')}**\n\n{convert(content)}")
        if name == "dropdown":
            return f"<details><summary>{plain(block.argument)}</summary>\n\n{convert(content)}\n\n</details>"
        if name in CHARTS:
            return f"{titled('Рис.', block.argument, '')} {convert(content)}"
        if name == "exercise":
            head = f"**Задача {number.get(label, '')}. {plain(block.argument)}**"
            level = f"*{block.options['level']}, {russian_minutes(int(block.options['minutes']))}*"
            return "\n\n".join([head, level, convert(content), f"**Что сдать:** {plain(block.options['hand-in'])}"])
        if name == "quiz":
            return plain(content + options_of(block.argument)) + f'\n\nОтвет проверит `check("{block.argument}", "…")`.'
        if name == "solution-start":
            return "**Решение**"
        if name == "before-reading":
            return f"*Сначала: {plain(content)}.*"
        if name == "grid-item-card":
            return f"**{plain(block.argument)}.** {convert(content)}"
        return convert(content)

    return convert(source)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
