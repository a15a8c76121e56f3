"""Exercises: ``{exercise} Title`` with ``:label: ex-<name>``, ``:level:``, ``:minutes:`` and ``:hand-in:``.

Not ``sphinx-exercise``: its exercise knows no level or time, its folding needs a script to open,
does not open for printing, and writes «Решение к Упражнение 1».
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from chapter.answer_fields import quiz
from chapter.feedback import exercise_links
from chapter.student_notebooks import notebook_link
from gradflow.exercises._registry import find
from gradflow.exercises._source import russian_minutes

LEVELS = ("устно", "на бумаге", "код", "исследование")
PREFIX = "ex-"


class exercise(nodes.General, nodes.Element):
    """An exercise; its number is that of a figure of the kind ``exercise``."""


class exercise_title(nodes.General, nodes.TextElement):
    """Its title, before which the number is printed."""


class ExerciseDirective(SphinxDirective):
    """A numbered exercise."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {
        "label": directives.unchanged_required,
        "level": lambda argument: directives.choice(argument, LEVELS),
        "minutes": directives.positive_int,
        "hand-in": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Check the options and make the box."""
        self.assert_has_content()
        missing = [f":{option}:" for option in self.option_spec if option not in self.options]
        if missing:
            raise self.error(f"exercise {self.arguments[0]!r}: give {', '.join(missing)}")
        label = self.options["label"]
        if not label.startswith(PREFIX):
            raise self.error(f"exercise: the label must begin with {PREFIX!r}, got {label!r}")
        name = label.removeprefix(PREFIX)
        level, minutes = self.options["level"], self.options["minutes"]
        node = exercise(check=name, level=level, minutes=minutes)
        self.options["name"] = label
        self.add_name(node)
        self.set_source_info(node)
        title = exercise_title("", "", *self._inline(self.arguments[0]))
        meta = nodes.paragraph("", f"{level}, {russian_minutes(minutes)}", classes=["exercise-meta"])
        if find(name) is not None:
            meta += [nodes.Text(" · имя для "), nodes.literal("", "check"), nodes.Text(": ")]
            meta += nodes.literal("", name)
        if level == "код":
            meta += [nodes.Text(" · "), notebook_link(self.env.docname, self.env.docname, "блокнот с заготовками")]
        body = nodes.container(classes=["exercise-body"])
        self.state.nested_parse(self.content, self.content_offset, body)
        handed = nodes.paragraph("", "", nodes.strong("", "Что сдать:"), nodes.Text(" "))
        handed += self._inline(self.options["hand-in"])
        fields = [child for child in body.children if next(child.findall(quiz), None)]
        body.insert(body.index(fields[0]) if fields else len(body), handed)
        line = self.get_source_info()[1] - 1  # myst-nb gives the one after the fence
        body += exercise_links(self.env.docname, name, title.astext(), line)
        node += [title, meta, body]
        return [node]

    def _inline(self, text: str) -> list[nodes.Node]:
        children, messages = self.state.inline_text(text, self.lineno)
        return [*children, *messages]


def visit_exercise(self: Any, node: exercise) -> None:
    """Open it."""
    label = node["ids"][0]
    attributes = {"role": "group", "aria-labelledby": f"{label}-title"}
    self.body.append(self.starttag(node, "div", CLASS="exercise", **attributes))


def visit_exercise_title(self: Any, node: exercise_title) -> None:
    """Open it."""
    identifier = f"{node.parent['ids'][0]}-title"
    self.body.append(self.starttag(node, "p", "", CLASS="exercise-title", ids=[identifier]))
    self.add_fignumber(node.parent)


def depart_exercise(self: Any, node: exercise) -> None:
    """Close the box."""
    self.body.append("</div>\n")


def depart_exercise_title(self: Any, node: exercise_title) -> None:
    """Close the line."""
    self.body.append("</p>\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and its nodes; exercises are numbered like figures."""
    app.add_enumerable_node(
        exercise,
        "exercise",
        title_getter=lambda node: node[0].astext(),
        html=(visit_exercise, depart_exercise),
    )
    app.add_node(exercise_title, html=(visit_exercise_title, depart_exercise_title))
    app.add_directive("exercise", ExerciseDirective)
    app.connect("config-inited", lambda app, config: config.numfig_format.setdefault("exercise", "Задача %s."))
    app.add_css_file("exercises.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
