"""Answer fields: ``{quiz} <name>`` inside an exercise, made from the entry of ``gradflow.exercises`` with that name.

What the reader fills in stands in a ``<template>`` until its exercise comes near the screen (near.js): a browser
that looks for fields to fill lays out all that stands around them, before it does anything that the reader asks for.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gradflow.exercises._quiz import LETTERS, ChoiceCheck, NumberCheck
from gradflow.exercises._registry import find


class quiz(nodes.General, nodes.Element):
    """An answer field around its question (and its options)."""


class quiz_option(nodes.General, nodes.TextElement):
    """One option of a choice."""


class QuizDirective(SphinxDirective):
    """An answer field; the content is its question."""

    has_content = True
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Parse the question and the options."""
        self.assert_has_content()
        name = self.arguments[0]
        entry = find(name)
        if not isinstance(entry, (NumberCheck, ChoiceCheck)):
            raise self.error(f"quiz: gradflow.exercises has no number or choice named {name!r}")
        node = quiz(check=name, field=entry.field(), wanted=getattr(entry, "wanted", ""))
        question = nodes.container(classes=["quiz-question"])
        self.state.nested_parse(self.content, self.content_offset, question)
        node += question
        if isinstance(entry, ChoiceCheck):
            for option in entry.options:
                children, messages = self.state.inline_text(option.text, self.lineno)
                node += quiz_option("", "", *children, *messages)
        return [node]


def visit_quiz(self: Any, node: quiz) -> None:
    """Open it."""
    field = json.dumps(node["field"], ensure_ascii=False, sort_keys=True)
    code = base64.b64encode(field.encode()).decode()
    name = node["check"]
    kind = node["field"]["kind"]
    group = {"number": "", "choice": "radiogroup", "several": "group"}[kind]
    self.body.append(f'<form class="quiz" id="quiz-{name}" data-quiz="{code}">\n')
    if group:
        self.body.append(f'<div role="{group}" aria-labelledby="quiz-{name}-question">\n')


def depart_quiz(self: Any, node: quiz) -> None:
    """Close it."""
    name = node["check"]
    if node["field"]["kind"] == "number":
        self.body.append(
            f'<template><input type="text" name="answer" placeholder="число или выражение" '
            f'autocomplete="off" autocapitalize="off" spellcheck="false" '
            f'aria-labelledby="quiz-{name}-question" aria-describedby="quiz-{name}-note quiz-{name}-verdict">'
            "</template>\n"
        )
    else:
        self.body.append("</div>\n")
    self.body.append(
        f'<template class="quiz-button"><button type="submit" aria-describedby="quiz-{name}-question">'
        f"Проверить</button></template>\n{note(node)}"
        f'<p class="quiz-verdict" id="quiz-{name}-verdict" role="status"></p>\n</form>\n'
    )


def note(node: quiz) -> str:
    """How precise the answer should be, and its name for ``check`` where the exercise bears another one."""
    name, parts = node["check"], []
    if node["wanted"]:
        parts.append(f"{node['wanted'].capitalize()}.")
    exercise = node.parent
    while exercise is not None and exercise.get("check", None) is None:
        exercise = exercise.parent
    if exercise is not None and exercise["check"] != name:
        parts.append(f"Имя для <code>check</code>: <code>{name}</code>.")
    return f'<p class="quiz-note" id="quiz-{name}-note">{" ".join(parts)}</p>\n' if parts else ""


def visit_quiz_option(self: Any, node: quiz_option) -> None:
    """Open it."""
    kind = "checkbox" if node.parent["field"]["kind"] == "several" else "radio"
    index = [child for child in node.parent if isinstance(child, quiz_option)].index(node)
    self.body.append(
        f'<label class="quiz-option"><template><input type="{kind}" name="answer" value="{index}"></template>'
        f"<span><b>{LETTERS[index]})</b> "
    )


def depart_quiz_option(self: Any, node: quiz_option) -> None:
    """Close the option."""
    self.body.append("</span></label>\n")


def name_questions(app: Sphinx, document: nodes.document) -> None:
    """Give each question the id by which its field is labelled."""
    for node in document.findall(quiz):
        node[0]["ids"] = [f"quiz-{node['check']}-question"]


def memory_switch() -> nodes.raw:
    """The switch with which a reader asks the browser to remember what is solved."""
    box = '<template><input type="checkbox"></template>'
    html = f'<label class="quiz-memory no-print pst-js-only">{box} Запоминать решённое в этом браузере</label>'
    return nodes.raw("", html, format="html")


def offer_memory(app: Sphinx, document: nodes.document) -> None:
    """Put the switch before the first exercise with a field."""
    place: nodes.Element | None = next(document.findall(quiz), None)
    while place is not None and not isinstance(place.parent, nodes.section):
        place = place.parent
    if place is not None:
        place.parent.insert(place.parent.index(place), memory_switch())


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive, its nodes, and the script that checks answers."""
    app.add_node(quiz, html=(visit_quiz, depart_quiz))
    app.add_node(quiz_option, html=(visit_quiz_option, depart_quiz_option))
    app.add_directive("quiz", QuizDirective)
    app.connect("doctree-read", name_questions)
    app.connect("doctree-read", offer_memory)
    app.add_js_file("exercises.js", defer="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
