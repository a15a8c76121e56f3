"""Notebooks to fill in, one for each page with code exercises: statements, hints and stubs, no solutions.

They are made from the source of the page, so that the two cannot drift apart, and lie in ``notebooks/`` of the site.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any, cast

import nbformat
from docutils import nodes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment

from chapter.first_cell import first_cell
from gradflow.exercises._handed_in import KEY
from gradflow.exercises._quiz import LETTERS, ChoiceCheck
from gradflow.exercises._registry import find
from gradflow.exercises._source import Exercise, exercises_of_pages, formulas, russian_minutes

PREAMBLE = """import torch
from torch import nn

from gradflow.exercises import check, status"""

INTRODUCTION = """Впишите решения и запускайте клетки по порядку: `check` скажет, верно ли, а если нет, то что именно не так.
Решений в блокноте нет, они на странице книги. Клетки можно переставлять и добавлять, а имена задач в `check` менять не надо: по ним блокнот проверят."""

Resolve = Callable[[str, str, str], str]  # role, text, target → what to print

_CITED_FORMULA = re.compile(r"\{eq\}`([^`]+)`")
_ROLE = re.compile(r"\{([\w:]+)\}`([^`<]*?)\s*(?:<([^`>]+)>)?`")


def notebook_uri(docname: str) -> str:
    """Where the notebook of a page lies, from the root of the site."""
    return f"notebooks/{docname.rpartition('/')[2]}.ipynb"


def notebook_link(docname: str, section: str, text: str) -> nodes.raw:
    """A link on the page ``docname`` that saves the notebook of ``section``."""
    uri = "../" * docname.count("/") + notebook_uri(section)
    return nodes.raw("", f'<a class="reference internal" href="{uri}" download>{escape(text)}</a>', format="html")


def make_notebook(
    page: str,
    title: str,
    exercises: list[Exercise],
    labelled: Mapping[str, str],
    numbers: Mapping[str, str],
    resolve: Resolve,
) -> nbformat.NotebookNode:
    """The notebook of one page.

    Args:
        page: name of the page, for ``status``.
        title: its heading.
        exercises: in their order.
        labelled: label → TeX of the page's formulas; those that an exercise refers to are printed with it.
        numbers: label → number that the book prints.
        resolve: text for a cross-reference.
    """
    heading = new_markdown_cell(f"# Задачи к странице «{title}»\n\n{INTRODUCTION}", metadata={KEY: {"heading": True}})
    cells = [new_code_cell(first_cell()), heading, new_code_cell(PREAMBLE)]
    for exercise in exercises:
        cells += _cells(exercise, labelled, numbers.get(exercise.label, ""), resolve)
    cells += [new_markdown_cell("## Что решено"), new_code_cell(f'status("{page}")')]
    for number, cell in enumerate(cells, start=1):
        cell.id = f"cell-{number}"  # random otherwise
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    told = {"sheet": page, "checks": [name for exercise in exercises for name in exercise.checks]}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}, KEY: told})


def _cells(
    exercise: Exercise, labelled: Mapping[str, str], number: str, resolve: Resolve
) -> list[nbformat.NotebookNode]:
    options = exercise.options
    hint = exercise.folds.get("Подсказка", "")
    told = "\n".join([exercise.statement, hint, *exercise.quizzes.values()])
    cited = [label for label in dict.fromkeys(_CITED_FORMULA.findall(told)) if label in labelled]
    parts = [
        f"## Задача {number}. {exercise.title}",
        f"*{options['level']}, {russian_minutes(int(options['minutes']))}*",
        exercise.statement,
        *(f"Формула {{eq}}`{label}` книги:\n\n$$\n{labelled[label]}\n$$" for label in cited),
        f"**Что сдать:** {options['hand-in']}",
        f"<details><summary>Подсказка</summary>\n\n{hint}\n\n</details>",
    ]
    cells = [new_markdown_cell(plain_markdown("\n\n".join(parts), resolve))]
    if exercise.stub:
        function = [node.name for node in ast.parse(exercise.stub).body if isinstance(node, ast.FunctionDef)][-1]
        cells += [new_code_cell(exercise.stub), _check_cell(exercise.name, function)]
    for name, question in exercise.quizzes.items():
        cells.append(new_markdown_cell(plain_markdown(question + options_of(name), resolve)))
        cells.append(_check_cell(name, '""', "  # ответ в кавычках"))
    for cell in cells:  # so that whoever grades finds it wherever it was moved to
        cell.metadata[KEY] = {"exercise": exercise.name, **cell.metadata.get(KEY, {})}
    return cells


def _check_cell(name: str, answer: str, comment: str = "") -> nbformat.NotebookNode:
    return new_code_cell(f'check("{name}", {answer}){comment}', metadata={KEY: {"check": name}})


def options_of(name: str) -> str:
    """The lettered options of a choice as a list, or an empty string."""
    entry = find(name)
    if not isinstance(entry, ChoiceCheck):
        return ""
    lines = [f"- **{letter})** {option.text}" for letter, option in zip(LETTERS, entry.options, strict=False)]
    return "\n\n" + "\n".join(lines)


def plain_markdown(text: str, resolve: Resolve) -> str:
    """MyST without what only the book understands: roles become text, labels of formulas go."""
    text = re.sub(r"\$\$[ \t]*\([\w-]+\)", "$$", text)
    text = re.sub(r"^\([\w-]+\)=(?:\n|\Z)", "", text, flags=re.MULTILINE)

    def replace(match: re.Match[str]) -> str:
        role, words, target = match[1], match[2], match[3]
        return resolve(role, words if target else "", target or words)

    return _ROLE.sub(replace, text)


def numbers_of(env: BuildEnvironment) -> dict[str, str]:
    """Label → number that the book prints, of every exercise, figure, theorem and formula."""
    kinds = [numbers for page in env.toc_fignumbers.values() for numbers in page.values()]
    found = {label: ".".join(map(str, number)) for numbers in kinds for label, number in numbers.items()}
    formulas = env.get_domain("math").data["objects"].items()
    return {f"equation-{label}": str(number) for label, (_, number) in formulas if number is not None} | found


def resolver(env: BuildEnvironment) -> Resolve:
    """Numbers and titles from the finished book."""
    labels = cast(StandardDomain, env.get_domain("std")).labels
    cited = {citation.key: citation.formatted_entry.label for citation in cast(Any, env.get_domain("cite")).citations}
    numbers = numbers_of(env)

    def resolve(role: str, words: str, target: str) -> str:
        number = numbers.get(target, "")
        if role == "numref":
            return words.replace("{number}", number) if words else f"№ {number}"
        if role == "eq":
            return f"({numbers.get(f'equation-{target}') or target})"
        if role in {"ref", "prf:ref"} and not words:
            title = labels[target][2] if target in labels else ""
            return f"«{title}»" if title else f"№ {number}" if number else target
        if role == "doc" and not words:
            return f"«{env.titles[f'book/{target}'].astext()}»" if f"book/{target}" in env.titles else target
        if role.startswith("cite"):
            works = "; ".join(cited.get(key.strip(), key.strip()) for key in target.split(","))
            return works if role == "cite:t" else f"({works})"
        return words or target

    return resolve


def write_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Write the notebooks of all pages of the book, unless an exercise may be broken."""
    if error or app.builder.format != "html" or app._warncount:
        return
    folder = Path(app.outdir, "notebooks")
    source = Path(app.srcdir, "book")
    for name, exercises in exercises_of_pages(source).items():
        docname = f"book/{name}"
        if docname not in app.env.titles:
            continue
        figures = app.env.toc_fignumbers.get(docname, {}).get("exercise", {})
        numbers = {label: ".".join(map(str, number)) for label, number in figures.items()}
        title = app.env.titles[docname].astext()
        folder.mkdir(parents=True, exist_ok=True)
        labelled = formulas((source / f"{name}.md").read_text(encoding="utf-8"))
        notebook = make_notebook(name, title, exercises, labelled, numbers, resolver(app.env))
        nbformat.write(notebook, folder / f"{name}.ipynb")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write when the numbers are known."""
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
