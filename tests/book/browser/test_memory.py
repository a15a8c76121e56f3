"""What is solved is remembered when the reader asks for it, in his browser alone, and forgotten when he asks for that."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from browser.opening import OpenPage
from browser.test_answer_fields import QUIZZES, SHEET, answers_to_try, bring_fields, field, submit
from browser.test_narrow import SHOW_ALL
from browser.test_pages import RULES, SIMPLIFY
from gradflow.exercises._quiz import ChoiceCheck

ENTRY = next(entry for entry in QUIZZES["problem_sheet"] if isinstance(entry, ChoiceCheck))
RIGHT, WRONG = answers_to_try(ENTRY)[0], ""
STORED = "() => ({ ...localStorage })['gradflow-solved'] ?? null"


def solved(page: Page) -> bool:
    return "passed" in (field(page, ENTRY.name).get_attribute("class") or "")


def switch(page: Page) -> None:
    page.get_by_label("Запоминать решённое").click()


def test_nothing_survives_unless_asked_for(site: str, open_page: OpenPage) -> None:
    with open_page(site + SHEET) as opened:
        bring_fields(opened.page)
        assert submit(opened.page, ENTRY, RIGHT).startswith("✓")
        assert opened.page.evaluate(STORED) is None
        opened.page.reload()
        assert not solved(opened.page)


@pytest.mark.parametrize("before", [True, False], ids=["switched on first", "solved first"])
def test_what_is_solved_survives_a_reload(before: bool, site: str, open_page: OpenPage) -> None:
    with open_page(site + SHEET) as opened:
        bring_fields(opened.page)
        for action in (switch, lambda page: submit(page, ENTRY, RIGHT))[:: 1 if before else -1]:
            action(opened.page)
        opened.page.reload()
        bring_fields(opened.page)
        assert solved(opened.page)
        assert field(opened.page, ENTRY.name).locator("[role=status]").inner_text() == "✓ Решено раньше."
        assert opened.page.get_by_label("Запоминать решённое").is_checked()
        opened.page.add_style_tag(content=SHOW_ALL)
        opened.page.evaluate(SIMPLIFY)
        assert Axe().run(opened.page, options=RULES).violations_count == 0
        submit(opened.page, ENTRY, WRONG)
        opened.page.reload()
        assert solved(opened.page), "once solved is solved"


def test_switching_off_forgets_everything(site: str, open_page: OpenPage) -> None:
    with open_page(site + SHEET) as opened:
        bring_fields(opened.page)
        switch(opened.page)
        submit(opened.page, ENTRY, RIGHT)
        assert ENTRY.name in opened.page.evaluate(STORED)
        switch(opened.page)
        assert opened.page.evaluate(STORED) is None
        opened.page.reload()
        assert not solved(opened.page)


def test_table_of_all_exercises_marks_the_solved_ones(site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/exercise_index.html") as opened:
        name = opened.page.locator(".exercise-table a[href*='#ex-']").first.get_attribute("href").partition("#")[2]
        bring_fields(opened.page)
        switch(opened.page)
        opened.page.evaluate("(name) => localStorage.setItem('gradflow-solved', JSON.stringify([name]))", name)
        opened.page.reload()
        assert opened.page.locator(".exercise-table tr", has_text="✓ решена").count() == 1
