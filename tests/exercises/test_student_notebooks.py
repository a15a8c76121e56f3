"""The notebooks to fill in run before they are filled in, hold no solution, and turn green with the solutions."""

from __future__ import annotations

import contextlib
import io
import re
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from chapter.student_notebooks import make_notebook, plain_markdown
from gradflow.exercises import Verdict, _registry, status
from gradflow.exercises._channels import without_ports
from gradflow.exercises._source import Exercise, formulas
from sheets import BOOK, PAGES, filled_in, notebook_of


def run(cells: list[str]) -> list[Verdict]:
    """Execute cells in one namespace; return every verdict that ``check`` gave."""
    import gradflow.exercises

    verdicts: list[Verdict] = []
    namespace: dict[str, Any] = {"__name__": "notebook"}

    def remember(name: str, answer: object) -> Verdict:
        verdicts.append(gradflow.exercises.check(name, answer))
        return verdicts[-1]

    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            exec(compile(cell, "cell", "exec"), namespace)
            namespace["check"] = remember
    return verdicts


def code_of(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("page", PAGES)
def test_runs_before_it_is_filled_in(page: str) -> None:
    verdicts = run(code_of(notebook_of(page)))
    assert verdicts and not any(verdict.passed for verdict in verdicts)


@pytest.mark.parametrize("page", PAGES)
def test_all_checks_are_green_with_the_solutions(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "_done", set())
    run(code_of(filled_in(page)))
    assert all(done for _, done in status(page).pages[page]), status(page)


@pytest.mark.parametrize("page", PAGES)
def test_holds_no_solution_and_no_answer(page: str) -> None:
    text = "\n".join(cell.source for cell in notebook_of(page).cells)
    for exercise in PAGES[page]:
        assert exercise.folds["Ответ"] not in text
        assert not any(cell in text for cell in exercise.code)
        assert exercise.stub in text and exercise.statement.strip()


@pytest.mark.parametrize("page", PAGES)
def test_is_a_valid_notebook_that_a_page_of_plain_markdown_can_show(page: str) -> None:
    notebook = notebook_of(page)
    nbformat.validate(notebook)
    told = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "{" + "quiz}" not in told and ":::" not in told and not re.search(r"\{[\w:]+\}`", told)


@pytest.mark.parametrize("page", PAGES)
def test_begins_with_the_name_of_its_page(page: str) -> None:
    assert notebook_of(page).cells[1].source.startswith(f"# Задачи к странице «{page}»\n")


def test_formula_that_an_exercise_refers_to_is_printed_with_it() -> None:
    source = "$$\na=b\n$$\n\nТекст.\n\n$$\nc=d .\n$$ (eq-x)\n\n$$\ne=f\\,\n$$ (eq-y)\n"
    labelled = formulas(source)
    assert labelled == {"eq-x": "c=d", "eq-y": "e=f\\,"}
    exercise = Exercise("ex-x", "Х", {"level": "код", "minutes": "5", "hand-in": "x."}, "По {eq}`eq-x`.", "", {})
    notebook = make_notebook("x", "Х", [exercise], labelled, {}, lambda role, words, target: "(36)")
    told = notebook.cells[3].source
    assert "По (36).\n\nФормула (36) книги:\n\n$$\nc=d\n$$" in told and "e=f" not in told


@pytest.mark.parametrize("page", PAGES)
def test_refers_to_no_formula_without_printing_it(page: str) -> None:
    labelled = formulas((BOOK / f"{page}.md").read_text(encoding="utf-8"))
    told = "\n".join(cell.source for cell in notebook_of(page).cells)
    for exercise in PAGES[page]:
        for label in re.findall(r"\{eq\}`([^`]+)`", exercise.statement + str(exercise.quizzes)):
            assert labelled[label] in told


@pytest.mark.parametrize("page", PAGES)
def test_every_cell_of_an_exercise_bears_its_name(page: str) -> None:
    notebook = notebook_of(page)
    cells = [cell for cell in notebook.cells if "exercise" in cell.metadata.get("gradflow", {})]
    assert [cell.metadata.gradflow.check for cell in cells if "check" in cell.metadata.gradflow] == (
        notebook.metadata.gradflow.checks
    )
    assert list(dict.fromkeys(cell.metadata.gradflow.exercise for cell in cells)) == [e.name for e in PAGES[page]]
    for cell in cells:
        called = re.match(r'check\("([\w-]+)"', cell.source)
        assert (called[1] if called else None) == cell.metadata.gradflow.get("check")


def test_kernel_runs_the_first_notebook() -> None:
    with TemporaryDirectory() as folder:
        client = NotebookClient(notebook_of(next(iter(PAGES))), config=without_ports(folder), kernel_name="python3")
        client.execute()


def test_roles_and_labels_of_myst_become_plain_markdown() -> None:
    text = "$$\na=b\n$$ (eq-x)\n\nСм. {numref}`теорему {number} <thm-x>` и {term}`взрыв градиента`."
    plain = plain_markdown(text, lambda role, words, target: f"[{words or target}]")
    assert plain == "$$\na=b\n$$\n\nСм. [теорему {number}] и [взрыв градиента]."
