"""Tables of the exercises of all pages: ``{exercise-index}``, ``{exercise-notebooks}`` and ``{exercise-times}``."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from chapter.answer_fields import memory_switch
from chapter.exercises import LEVELS, exercise
from chapter.student_notebooks import notebook_link


class exercise_table(nodes.General, nodes.Element):
    """Stands for a table until all pages have been read."""


class ExerciseTableDirective(SphinxDirective):
    """A table of the exercises of all pages."""

    def run(self) -> list[nodes.Node]:
        """Leave a place for the table."""
        _store(self.env, "tables")[self.env.docname] = True
        return [exercise_table(kind=self.name)]


def collect(app: Sphinx, document: nodes.document) -> None:
    """Remember the exercises of a page for the tables."""
    _store(app.env, "exercises")[app.env.docname] = [
        {"label": node["ids"][0], "title": node[0].deepcopy(), "level": node["level"], "minutes": node["minutes"]}
        for node in document.findall(exercise)
    ]


def _store(env: BuildEnvironment, kind: str) -> dict[str, Any]:
    """What the pages hold of one kind, by page."""
    if not hasattr(env, "chapter_exercises"):
        env.chapter_exercises = {"exercises": {}, "tables": {}}  # type: ignore[attr-defined]
    return env.chapter_exercises[kind]  # type: ignore[attr-defined]


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """A page is read again or gone."""
    for kind in ("exercises", "tables"):
        _store(env, kind).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    """Take what another reader process has found."""
    for kind in ("exercises", "tables"):
        found = _store(other, kind)
        _store(env, kind).update({name: found[name] for name in docnames if name in found})


def refresh_tables(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """A page with a table is read again whenever another page is."""
    if docnames:
        docnames += [name for name in _store(env, "tables") if name not in docnames]


def all_exercises(env: BuildEnvironment) -> list[dict[str, Any]]:
    """Exercises of all pages in the order of their numbers."""
    found = []
    for docname, entries in _store(env, "exercises").items():
        numbers = env.toc_fignumbers.get(docname, {}).get("exercise", {})
        for entry in entries:
            if entry["label"] in numbers:
                found.append({**entry, "docname": docname, "number": numbers[entry["label"]]})
    return sorted(found, key=lambda entry: entry["number"])


def fill_tables(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the tables where their directives stood."""
    for place in list(doctree.findall(exercise_table)):
        make = TABLES[place["kind"]]
        place.replace_self(make(app, docname))
        app.env.get_domain("math").data["has_equations"][docname] = True  # a title may hold a formula


def index_table(app: Sphinx, docname: str) -> list[nodes.Node]:
    """Switch and table: number, title, level, minutes and section of every exercise."""
    rows = []
    for entry in all_exercises(app.env):
        page = app.builder.get_relative_uri(docname, entry["docname"])
        title = [child.deepcopy() for child in entry["title"].children]
        rows.append([
            ".".join(map(str, entry["number"])),
            nodes.reference("", "", *title, refuri=f"{page}#{entry['label']}", internal=True),
            entry["level"],
            str(entry["minutes"]),
            nodes.reference("", app.env.titles[entry["docname"]].astext(), refuri=page, internal=True),
        ])  # fmt: skip
    return [memory_switch(), table(["№", "Задача", "Уровень", "Минуты", "Раздел"], [6, 40, 14, 10, 30], rows)]


def notebook_list(app: Sphinx, docname: str) -> nodes.bullet_list:
    """Links to the notebooks of all pages that have one."""
    items = []
    for section in dict.fromkeys(entry["docname"] for entry in all_exercises(app.env)):
        link = notebook_link(docname, section, app.env.titles[section].astext())
        items.append(nodes.list_item("", nodes.paragraph("", "", link)))
    return nodes.bullet_list("", *items)


def times_table(app: Sphinx, docname: str) -> nodes.table:
    """Per section: how many exercises of each level, and how long they take together."""
    found = all_exercises(app.env)
    rows = []
    for section in dict.fromkeys(entry["docname"] for entry in found):
        page = app.builder.get_relative_uri(docname, section)
        link = nodes.reference("", app.env.titles[section].astext(), refuri=page, internal=True)
        rows.append([link, *_counts([entry for entry in found if entry["docname"] == section])])
    rows.append([nodes.strong("", "Вся глава"), *_counts(found)])
    return table(["Раздел", *map(str.capitalize, LEVELS), "Всего минут"], [40, 12, 12, 12, 12, 12], rows)


def _counts(entries: list[dict[str, Any]]) -> list[str]:
    levels = [entry["level"] for entry in entries]
    return [str(levels.count(level) or "—") for level in LEVELS] + [str(sum(entry["minutes"] for entry in entries))]


def table(head: list[str], widths: list[int], rows: list[list[str | nodes.Node]]) -> nodes.table:
    """A table of texts and links."""

    def row(cells: list[str | nodes.Node]) -> nodes.row:
        texts = [nodes.Text(cell) if isinstance(cell, str) else cell for cell in cells]
        return nodes.row("", *[nodes.entry("", nodes.paragraph("", "", text)) for text in texts])

    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=width) for width in widths]
    group += nodes.thead("", row(list(head)))
    group += nodes.tbody("", *map(row, rows))
    return nodes.table("", group, classes=["exercise-table"])


TABLES = {"exercise-index": index_table, "exercise-notebooks": notebook_list, "exercise-times": times_table}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives and the collectors."""
    app.add_node(exercise_table)
    for kind in TABLES:
        app.add_directive(kind, ExerciseTableDirective)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("env-before-read-docs", refresh_tables, priority=100)
    app.connect("doctree-resolved", fill_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
