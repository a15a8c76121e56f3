"""The book as a whole: enough exercises of every kind, and a teacher's plan that fits the clock."""

from __future__ import annotations

import re
from pathlib import Path

from pybtex.database import parse_file

from gradflow.exercises._source import exercises_of_pages

BOOK = Path(__file__).parents[2] / "book"
EXERCISES = [exercise for entries in exercises_of_pages(BOOK).values() for exercise in entries]


def test_every_work_can_be_found() -> None:
    entries = parse_file(BOOK / "references.bib").entries
    found = {"doi", "eprint", "isbn", "url"}
    assert [name for name, entry in entries.items() if not found & set(entry.fields)] == []


def test_every_lesson_lasts_ninety_minutes() -> None:
    lessons = (BOOK / "teacher.md").read_text(encoding="utf-8").split("### Пара")[1:]
    minutes = [[int(number) for number in re.findall(r"^\| (\d+) \|", lesson, re.MULTILINE)] for lesson in lessons]
    assert [sum(lesson) for lesson in minutes] == [90] * 4


def test_book_has_enough_exercises_of_every_kind() -> None:
    titles = [exercise.title for exercise in EXERCISES]
    assert len(titles) >= 28
    assert sum(title.startswith("Найдите ошибку") for title in titles) >= 3
    assert sum(title.startswith("Случай из практики") for title in titles) >= 4
    assert {exercise.options["level"] for exercise in EXERCISES} == {"устно", "на бумаге", "код", "исследование"}


def test_names_of_exercises_do_not_repeat() -> None:
    names = [exercise.name for exercise in EXERCISES]
    assert sorted(set(names)) == sorted(names)
