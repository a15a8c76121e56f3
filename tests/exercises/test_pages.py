"""Every exercise of the book has its layers, its check, and answers that prove the check."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from gradflow.exercises._function import FunctionCheck
from gradflow.exercises._quiz import LETTERS, ChoiceCheck, NumberCheck
from gradflow.exercises._registry import checks_by_page
from gradflow.exercises._source import Exercise, exercises_of_pages
from tables import TABLES

BOOK = Path(__file__).parents[2] / "book"
EXERCISES = [(page, exercise) for page, entries in exercises_of_pages(BOOK).items() for exercise in entries]
CHECKS = [(page, entry) for page, entries in checks_by_page().items() for entry in entries]
PREAMBLE = "import torch\nfrom torch import nn\nfrom gradflow.exercises import check, status\n"


def each(rows: list) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("page", "item"), rows, ids=[row[1].name for row in rows])


@each(EXERCISES)
def test_exercise_says_what_to_hand_in_and_how_long_it_takes(page: str, item: Exercise) -> None:
    assert {"label", "level", "minutes", "hand-in"} <= item.options.keys()


@each(EXERCISES)
def test_exercise_has_hint_answer_and_solution(page: str, item: Exercise) -> None:
    assert list(item.folds)[:2] == ["Подсказка", "Ответ"]
    assert item.solved and item.solution


@each(EXERCISES)
def test_exercise_has_its_checks_in_the_module_of_its_page(page: str, item: Exercise) -> None:
    names = [entry.name for entry in checks_by_page().get(page, [])]
    assert item.checks and set(item.checks) <= set(names)
    assert all(name == item.name or name.startswith(f"{item.name}-") for name in item.checks)


@each(EXERCISES)
def test_published_solution_passes_every_check_of_its_exercise(page: str, item: Exercise) -> None:
    verdicts = run_solution(item)
    for name in item.checks:  # a solution may also show what a check says to a wrong answer
        assert any(verdict.passed for verdict in verdicts.get(name, [])), (name, verdicts)


@each([row for row in EXERCISES if not row[1].quizzes])
def test_code_exercise_has_a_stub_and_a_table_of_answers(page: str, item: Exercise) -> None:
    assert "def " in item.stub and '"""' in item.stub
    compile(item.stub, "stub", "exec")
    load_tables()
    assert item.name in TABLES


@each(CHECKS)
def test_check_belongs_to_an_exercise_of_its_page(page: str, item) -> None:
    assert any(item.name in exercise.checks for where, exercise in EXERCISES if where == page)


@each([row for row in CHECKS if isinstance(row[1], NumberCheck)])
def test_number_knows_three_mistakes_and_tells_each_its_own_message(page: str, item: NumberCheck) -> None:
    assert len(item.mistakes) >= 3
    assert item.check(item.value).passed and item.check(f"{item.value:.12g}".replace(".", ",")).passed
    for value, message in item.mistakes:
        verdict = item.check(value)
        assert (verdict.passed, verdict.message) == (False, message)
    assert not any(item.check(answer).passed for answer in (None, "", "много", float("nan"), float("inf")))


@each([row for row in CHECKS if isinstance(row[1], ChoiceCheck)])
def test_choice_explains_every_wrong_option(page: str, item: ChoiceCheck) -> None:
    letters = LETTERS[: len(item.options)]
    true = "".join(letter for letter, option in zip(letters, item.options, strict=True) if option.true)
    assert item.check(true).passed
    wrong = (
        [true.replace(x, "") if x in true else true + x for x in letters] if item.several else set(letters) - set(true)
    )
    assert len(wrong) >= 3
    for answer in wrong:
        verdict = item.check(answer)
        assert not verdict.passed and len(verdict.message) > 20
    for option in item.options:
        assert option.why or (option.true and not item.several)


@each([row for row in CHECKS if isinstance(row[1], FunctionCheck)])
def test_each_known_mistake_of_a_function_is_told_its_own_message(page: str, item: FunctionCheck) -> None:
    assert len(item.mistakes) + len(item.properties) + len(item.refuses) >= 3
    for function, message in item.mistakes:
        verdict = item.check(function)
        assert not verdict.passed and message in verdict.message, verdict


def run_solution(exercise: Exercise) -> dict:
    """Verdicts of the checks that the cells of a solution call, by name, outside the page."""
    from gradflow.exercises import check

    verdicts = {}

    def remember(name: str, answer: object):
        verdicts.setdefault(name, []).append(check(name, answer))
        return verdicts[name][-1]

    namespace: dict = {"__name__": "solution"}
    exec(PREAMBLE, namespace)
    namespace["check"] = remember
    for cell in exercise.code:
        exec(compile(cell, exercise.label, "exec"), namespace)
    return verdicts


def load_tables() -> None:
    """Import the tables of all pages, whichever tests were asked for."""
    for path in Path(__file__).parent.glob("test_*.py"):
        if "answers(" in path.read_text(encoding="utf-8"):
            spec = importlib.util.spec_from_file_location(f"tables_of_{path.stem}", path)
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
