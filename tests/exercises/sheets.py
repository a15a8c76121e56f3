"""Sheets of the book's pages, as they are handed out and as they come back."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from chapter.student_notebooks import make_notebook
from gradflow.exercises._source import exercises_of_pages, formulas

BOOK = Path(__file__).parents[2] / "book"
PAGES = exercises_of_pages(BOOK)


def notebook_of(page: str) -> nbformat.NotebookNode:
    """The sheet of a page, with the page's name for its title and numbers from 1."""
    numbers = {exercise.label: str(i) for i, exercise in enumerate(PAGES[page], start=1)}
    labelled = formulas((BOOK / f"{page}.md").read_text(encoding="utf-8"))
    return make_notebook(page, page, PAGES[page], labelled, numbers, lambda role, words, target: words or target)


def filled_in(page: str) -> nbformat.NotebookNode:
    """The sheet in which every stub and every empty answer has given way to the page's solution."""
    solutions = {exercise.name: exercise.code for exercise in PAGES[page]}
    notebook = notebook_of(page)
    cells = []
    for cell in notebook.cells:
        exercise = cell.metadata.get("gradflow", {}).get("exercise")
        if cell.cell_type == "markdown" or not exercise:
            cells.append(cell)
        elif exercise in solutions:  # the solution itself calls check, for every part
            cells += [new_code_cell(source, metadata=cell.metadata) for source in solutions.pop(exercise)]
    notebook.cells = cells
    return notebook
