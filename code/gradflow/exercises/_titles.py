"""What the pages say of the exercises: titles and minutes, read from the pages themselves.

A checkout has them in ``book/``; a wheel carries a copy of the pages that hold exercises (``setup.py`` puts it there).
Where neither is at hand, nothing is said, and names must do.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from gradflow.exercises._source import Exercise, exercises

FOLDERS = [Path(__file__).parent / "pages", Path(__file__).parents[3] / "book"]


@cache
def source_of(page: str) -> str:
    """Text of a page, or an empty string."""
    files = [folder / f"{page}.md" for folder in FOLDERS]
    return next((file.read_text(encoding="utf-8") for file in files if file.is_file()), "")


def page_title(page: str) -> str:
    """The heading of a page, or an empty string."""
    heading = re.search(r"^# (.+)$", source_of(page), re.MULTILINE)
    return heading[1].strip() if heading else ""


@cache
def exercises_of(page: str) -> list[Exercise]:
    """The exercises of a page in their order; none if the page is not at hand."""
    return exercises(source_of(page))


def check_titles(page: str) -> dict[str, str]:
    """Title of the exercise that each check of a page belongs to, by the name of the check."""
    return {name: exercise.title for exercise in exercises_of(page) for name in exercise.checks}
