"""The page of marks is read by everybody: no violation of accessibility, and nothing wider than a phone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from gradflow.exercises import Verdict
from gradflow.exercises._grading import Graded
from gradflow.exercises._marks import Entry, Mark, Submission
from gradflow.exercises._report import write_page

ENTRIES = [Entry(f"name-{i}", f"Случай из практики номер {i}", 5, (f"name-{i}",)) for i in range(12)]


@pytest.fixture(scope="module")
def grades(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a page with every kind of mark and a message that does not break by itself."""
    file = tmp_path_factory.mktemp("grades") / "grades.html"
    kinds = [(True, "Верно."), (False, "Мимо: " + "x" * 400), (None, "В листочке этой задачи нет.")]
    students = ["Иванова", "Константинопольский Аполлинарий"]
    marks = [
        Mark(student, entry, *kinds[(i + j) % 3], same=("Петров",))
        for i, student in enumerate(students)
        for j, entry in enumerate(ENTRIES)
    ]
    graded = Graded(None, {"name-0": Verdict(True, "Верно.")}, ["Клетка 3: NameError: " + "y" * 200], 3.0)
    submissions = [Submission(student, f"{student}.ipynb", graded) for student in students]
    write_page(file, marks, submissions, ["Отчёт.docx"], compare=True)
    return file.as_uri()


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_of_marks_can_be_read_by_everybody(browser: Browser, grades: str, theme: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=theme)
    page.goto(grades)
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator(".marks td a").first.click()
    assert page.evaluate("document.querySelector(':target').textContent") == ENTRIES[0].title
    page.close()
