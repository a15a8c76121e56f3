"""How long a section takes and what comes before it: ``{before-reading}`` on its page, ``{chapter-map}`` of all.

Reading: so many words a minute, half a minute for a formula on a line of its own, a minute for a figure; code,
exercises and what is folded do not count. The minutes of the exercises stand at the exercises themselves.
"""

from __future__ import annotations

import math
import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from chapter.exercise_tables import _store, all_exercises, table
from chapter.exercises import exercise
from gradflow.exercises._source import russian_minutes

WORDS_A_MINUTE = 130
FORMULA_MINUTES, FIGURE_MINUTES = 0.5, 1.0
STEP = 5  # minutes: more would be a promise
SILENT = (nodes.Invisible, nodes.literal_block, nodes.raw, exercise)


class before_reading(nodes.General, nodes.Element):
    """Stands for minutes and prerequisites until the exercises of all pages are known."""


class chapter_map(nodes.General, nodes.Element):
    """Stands for the table of all sections."""


class BeforeReadingDirective(SphinxDirective):
    """What should be read before this section: references to pages, or words."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Keep the words."""
        self.assert_has_content()
        children, messages = self.state.inline_text(" ".join(self.content), self.lineno)
        node = before_reading("", *children)
        self.set_source_info(node)
        return [node, *messages]


class ChapterMapDirective(SphinxDirective):
    """A line for each section: ``page: the question that it answers``."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Keep the questions."""
        self.assert_has_content()
        _store(self.env, "tables")[self.env.docname] = True
        folder = self.env.docname.rpartition("/")[0]
        rows = [
            nodes.paragraph("", "", *self._question(line), page=f"{folder}/{line.partition(':')[0]}")
            for line in self.content
        ]
        return [chapter_map("", *rows)]

    def _question(self, line: str) -> list[nodes.Node]:
        children, messages = self.state.inline_text(line.partition(":")[2].strip(), self.lineno)
        return [*children, *messages]


def is_silent(node: nodes.Element) -> bool:
    """Tell whether a node is not read in passing: code, what is folded, exercises."""
    return (
        isinstance(node, SILENT)
        or node.get("design_component") == "dropdown"
        or "cell_input" in node.get("classes", [])
    )


def minutes_of(node: nodes.Node) -> float:
    """How many minutes the reading of a node takes."""
    if isinstance(node, nodes.Text):
        return len(re.findall(r"\w+", node)) / WORDS_A_MINUTE
    if isinstance(node, nodes.math_block):
        return FORMULA_MINUTES
    if not isinstance(node, nodes.Element) or isinstance(node, nodes.math) or is_silent(node):
        return 0.0
    own = FIGURE_MINUTES if isinstance(node, nodes.figure) else 0.0
    return own + sum(minutes_of(child) for child in node.children)


def collect(app: Sphinx, document: nodes.document) -> None:
    """Remember minutes and prerequisites of a page."""
    places = list(document.findall(before_reading))
    if places:
        pages = [
            one["reftarget"].lstrip("/") for one in places[0].findall(addnodes.pending_xref) if one["reftype"] == "doc"
        ]
        folder = app.env.docname.rpartition("/")[0]
        _reading(app.env)[app.env.docname] = {
            "minutes": STEP * math.ceil(minutes_of(document) / STEP),
            "before": [page if "/" in page else f"{folder}/{page}" for page in pages],
        }


def _reading(env: BuildEnvironment) -> dict[str, Any]:
    if not hasattr(env, "chapter_reading"):
        env.chapter_reading = {}  # type: ignore[attr-defined]
    return env.chapter_reading  # type: ignore[attr-defined]


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """A page is read again or gone."""
    _reading(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    """Take what another reader process has found."""
    found = _reading(other)
    _reading(env).update({name: found[name] for name in docnames if name in found})


def exercise_minutes(app: Sphinx, docname: str) -> int:
    """How long the exercises of a page take together."""
    return sum(entry["minutes"] for entry in all_exercises(app.env) if entry["docname"] == docname)


def tell(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put minutes and prerequisites where their directives stood."""
    for place in list(doctree.findall(before_reading)):
        minutes = [f"чтение — {russian_minutes(_reading(app.env)[docname]['minutes'])}"]
        if solving := exercise_minutes(app, docname):
            minutes.append(f"задачи — {russian_minutes(solving)}")
        words = [nodes.Text(f"{', '.join(minutes).capitalize()}. Сначала: "), *place.children, nodes.Text(".")]
        place.replace_self(nodes.container("", nodes.paragraph("", "", *words), classes=["before-reading"]))
    for place in list(doctree.findall(chapter_map)):
        place.replace_self(map_of(app, docname, place))


def map_of(app: Sphinx, docname: str, place: chapter_map) -> nodes.table:
    """Section, question, minutes and prerequisites."""

    def link(page: str, text: str) -> nodes.reference:
        return nodes.reference("", text, refuri=app.builder.get_relative_uri(docname, page), internal=True)

    def short(page: str) -> str:
        return app.env.titles[page].astext().partition(":")[0]

    rows: list[list[str | nodes.Node]] = []
    for line in place.children:
        page, known = line["page"], _reading(app.env).get(line["page"], {"minutes": "—", "before": []})
        if page not in app.env.titles:  # a draft of one page
            continue
        before = nodes.inline()
        for number, one in enumerate(one for one in known["before"] if one in app.env.titles):
            before += [nodes.Text(", ")] * bool(number) + [link(one, short(one))]
        question = nodes.inline("", "", *line.children)
        solving = str(exercise_minutes(app, page) or "—")
        rows.append([link(page, app.env.titles[page].astext()), question, str(known["minutes"]), solving, before])
    return table(["Раздел", "Вопрос", "Чтение, мин", "Задачи, мин", "Сначала"], [26, 34, 8, 8, 24], rows)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives and the collectors."""
    app.add_node(before_reading)
    app.add_node(chapter_map)
    app.add_directive("before-reading", BeforeReadingDirective)
    app.add_directive("chapter-map", ChapterMapDirective)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("doctree-resolved", tell)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
