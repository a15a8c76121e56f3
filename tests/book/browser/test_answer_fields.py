"""The answer fields of the pages: same verdicts as in Python, by keyboard, for every reader, and nothing stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page

from bookmaker import SITE
from browser.opening import OpenPage
from browser.test_narrow import SHOW_ALL
from browser.test_pages import RULES, SIMPLIFY
from expressions import READABLE, ROUNDINGS, SELECTIONS, UNREADABLE
from gradflow.exercises._expression import UnreadableError, parse
from gradflow.exercises._quiz import LETTERS, ChoiceCheck, NumberCheck, Option
from gradflow.exercises._registry import checks_by_page

SHEET = "book/problem_sheet.html"
QUIZZES = {
    page: [entry for entry in entries if not hasattr(entry, "reference")]
    for page, entries in checks_by_page().items()
    if (SITE / f"book/{page}.html").exists()
}


@pytest.fixture(scope="module")
def sheet(site: str, open_page: OpenPage) -> Iterator[Page]:
    """The problem sheet with its folds open and its fields in their places."""
    with open_page(site + SHEET) as opened:
        unfold(opened.page)
        bring_fields(opened.page)
        yield opened.page


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('.exercise details').forEach((fold) => { fold.open = true; })")


def bring_fields(page: Page) -> None:
    """Go by the keyboard: then the fields that are far from the screen come, too."""
    page.keyboard.press("Tab")


def field(page: Page, name: str) -> Locator:
    return page.locator(f"#quiz-{name}")


SUBMIT = """(form, answers) => answers.map((answer) => {
  const inputs = form.querySelectorAll("input");
  if (typeof answer === "string") inputs[0].value = answer;
  else answer.forEach((mark, i) => { inputs[i].checked = mark; });
  form.requestSubmit();
  return form.querySelector("[role=status]").textContent;
})"""


def verdicts(page: Page, entry: NumberCheck | ChoiceCheck, answers: list[str]) -> list[str]:
    """Answer as a reader would, without waiting for the mouse; return the verdicts shown."""
    if isinstance(entry, NumberCheck):
        return field(page, entry.name).evaluate(SUBMIT, answers)
    marks = [[letter in answer for letter in LETTERS[: len(entry.options)]] for answer in answers]
    return field(page, entry.name).evaluate(SUBMIT, marks)


def submit(page: Page, entry: NumberCheck | ChoiceCheck, answer: str) -> str:
    """Answer once; return the verdict shown."""
    return verdicts(page, entry, [answer])[0]


def answers_to_try(entry: NumberCheck | ChoiceCheck) -> list[str]:
    if isinstance(entry, NumberCheck):
        values = [entry.value, *(value for value, _ in entry.mistakes), 123.456]
        return [repr(float(value)).replace(".", ",") for value in values] + ["", "много"]
    letters = LETTERS[: len(entry.options)]
    true = "".join(letter for letter, option in zip(letters, entry.options, strict=True) if option.true)
    return [true, "", *letters, *letters] + ([letters] if entry.several else [])


def test_numbers_are_read_as_in_python(sheet: Page) -> None:
    seen = sheet.evaluate("(texts) => texts.map(gradflowQuiz.parse)", list(READABLE))
    for text, value in zip(READABLE, seen, strict=True):
        assert value == pytest.approx(READABLE[text], rel=1e-12), text


def test_what_is_no_number_is_refused_for_the_same_reason_as_in_python(sheet: Page) -> None:
    reason = "(text) => { try { return gradflowQuiz.parse(text); } catch (error) { return error.message; } }"
    for text in UNREADABLE:
        with pytest.raises(UnreadableError) as raised:
            parse(text)
        assert sheet.evaluate(reason, text) == raised.value.reason, text


@pytest.mark.parametrize(("value", "digits", "mistakes", "answer", "reply"), ROUNDINGS)
def test_rounding_is_judged_as_in_python(
    value: float, digits: int | None, mistakes: list[float], answer: str, reply: str, sheet: Page
) -> None:
    entry = NumberCheck("n", value, [(mistake, "ошибка") for mistake in mistakes], digits, "верно", "мимо")
    judged = sheet.evaluate("([quiz, text]) => gradflowQuiz.judgeText(quiz, text).join(' ')", [entry.field(), answer])
    assert judged == str(entry.check(answer)) and reply in judged


def test_inequality_is_read_as_in_python(sheet: Page) -> None:
    for bound in (True, False):
        entry = NumberCheck("n", 4.0, [], None, "верно", "мимо", bound)
        for answer in ("4", "c<4", "0 < c <= 4", "≥ 4", "c ≤ 8/2", "x", "c <"):
            judged = sheet.evaluate(
                "([quiz, text]) => gradflowQuiz.judgeText(quiz, text).join(' ')", [entry.field(), answer]
            )
            assert judged == str(entry.check(answer)), (bound, answer)


def test_clicking_through_the_options_hears_what_it_hears_in_python(sheet: Page) -> None:
    options = [Option("раз", True, "раз верно"), Option("два", False, "два неверно"), Option("три", True, "три верно")]
    quiz = ChoiceCheck("several", options, True, "Верно.").field()
    marks = [[letter in answer for letter in "абв"] for answer in ("а", "а", "б", "абв", "а", "аб")]
    script = "([quiz, all]) => { const tried = new Map(); return all.map((m) => gradflowQuiz.judgeMarks(quiz, m, tried)[1]); }"
    assert sheet.evaluate(script, [quiz, marks]) == SELECTIONS


@pytest.mark.parametrize("page", QUIZZES)
def test_page_and_python_give_the_same_verdict(page: str, site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/{page}.html") as opened:
        bring_fields(opened.page)
        for entry in map(replace, QUIZZES[page]):  # a fresh one has seen no selection yet
            answers = answers_to_try(entry)
            seen = verdicts(opened.page, entry, answers)
            for answer, verdict in zip(answers, seen, strict=True):
                assert verdict == str(entry.check(answer)), (entry.name, answer)


def test_number_is_answered_by_keyboard_alone(sheet: Page) -> None:
    form = field(sheet, "sheet-vanishing")
    form.locator("input").focus()
    sheet.keyboard.type("0,73")
    sheet.keyboard.press("Enter")
    assert "одного шага" in form.locator("[role=status]").inner_text()
    sheet.keyboard.press("Control+A")
    sheet.keyboard.type("0,0019")
    assert form.locator("[role=status]").inner_text() == ""  # the old verdict is not about the new answer
    sheet.keyboard.press("Tab")
    sheet.keyboard.press("Space")
    assert form.locator("[role=status]").inner_text().startswith("✓")
    assert form.locator("button").evaluate("(button) => button === document.activeElement")


def test_choice_is_answered_by_keyboard_alone(sheet: Page) -> None:
    form = field(sheet, "sheet-factor")
    form.locator("input").first.focus()
    sheet.keyboard.press("ArrowDown")
    sheet.keyboard.press("Enter")
    assert "Транспонированная" in form.locator("[role=status]").inner_text()
    sheet.keyboard.press("ArrowUp")
    sheet.keyboard.press("Enter")
    assert form.locator("[role=status]").inner_text().startswith("✓")


def test_field_has_a_name_and_announces_its_verdict(sheet: Page) -> None:
    roles = {"sheet-vanishing": "textbox", "sheet-factor": "radiogroup", "sheet-problem": "group"}
    for name, role in roles.items():
        question = (
            sheet.locator(f"#quiz-{name}-question").inner_text().split(". ")[-1]
        )  # no formula in the last sentence
        assert field(sheet, name).get_by_role(role, name=question).count() == 1
    assert sheet.locator("form.quiz [role=status]").count() == sheet.locator("form.quiz").count()


@pytest.mark.parametrize("keyboard", [False, True], ids=["by scrolling", "by the keyboard"])
@pytest.mark.parametrize("width", [1280, 375])
def test_fields_come_when_the_reader_does(width: int, keyboard: bool, site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/normalization.html", width) as opened:
        forms = opened.page.locator("form.quiz")
        assert forms.locator("input").count() == 0 < forms.count()
        if keyboard:
            bring_fields(opened.page)
            assert forms.locator("input").count() == forms.count()
        else:
            forms.last.evaluate("(form) => form.scrollIntoView()")
            forms.last.locator("input").fill("1")


@pytest.mark.parametrize("width", [1280, 375])
def test_nothing_jumps_when_a_field_comes(width: int, site: str, open_page: OpenPage) -> None:
    empty = """form => {
      for (const field of form.querySelectorAll("input, button")) {
        const place = document.createElement("template");
        if (field.matches("button")) place.className = "quiz-button";
        field.replaceWith(place);
        place.content.append(field);
      }
      const height = form.offsetHeight;
      bringFields(form);
      return [height, form.offsetHeight];
    }"""
    with open_page(f"{site}book/gates.html", width) as opened:
        opened.page.add_style_tag(content=SHOW_ALL)
        bring_fields(opened.page)
        for before, after in opened.page.locator("form.quiz").evaluate_all(f"forms => forms.map({empty})"):
            assert before == after > 0


@pytest.mark.parametrize("page", QUIZZES)
def test_answers_are_not_in_plain_sight(page: str) -> None:
    source = (SITE / f"book/{page}.html").read_text(encoding="utf-8")
    for entry in QUIZZES[page]:
        hidden = [message for _, message in entry.mistakes] if isinstance(entry, NumberCheck) else []
        hidden += [option.why for option in getattr(entry, "options", []) if option.why and not option.true]
        assert sum(message in source for message in hidden) <= 1  # a solution may quote one


def test_nothing_is_stored_about_the_reader(site: str, open_page: OpenPage) -> None:
    stored = "() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"
    with open_page(site + SHEET) as opened:
        bring_fields(opened.page)
        before = opened.page.evaluate(stored)
        for entry in QUIZZES["problem_sheet"]:
            submit(opened.page, entry, answers_to_try(entry)[0])
        assert opened.page.evaluate(stored) == before
        assert opened.outside == []


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (375, "dark")])
def test_answered_field_is_accessible(width: int, theme: str, site: str, open_page: OpenPage) -> None:
    with open_page(site + SHEET, width, theme) as opened:
        opened.page.add_style_tag(content=SHOW_ALL)  # what is far from the screen is not laid out before
        unfold(opened.page)
        bring_fields(opened.page)
        for entry in QUIZZES["problem_sheet"]:
            submit(opened.page, entry, answers_to_try(entry)[2])
        opened.page.evaluate(SIMPLIFY)
        result = Axe().run(opened.page, options=RULES)
        assert result.violations_count == 0, result.generate_report()
        assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_solution_opens_by_keyboard(sheet: Page) -> None:
    fold = sheet.locator("details.solution").first
    assert not fold.evaluate("(fold) => fold.open")
    fold.locator("> summary").focus()
    sheet.keyboard.press("Enter")
    assert fold.evaluate("(fold) => fold.open")
    assert fold.locator(".verdict").is_visible()
    sheet.keyboard.press("Enter")


def test_folds_are_open_on_paper_and_closed_again(sheet: Page) -> None:
    closed = "document.querySelectorAll('details:not([open])').length"
    before = sheet.evaluate(closed)
    sheet.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert before > 0 and sheet.evaluate(closed) == 0
    sheet.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert sheet.evaluate(closed) == before


def test_problem_sheet_is_printed_without_solutions(site: str, open_page: OpenPage) -> None:
    with open_page(site + SHEET) as opened:
        opened.page.emulate_media(media="print")
        opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        article = opened.page.locator("article").inner_text()
        assert "Предложите способ побороть проблему взрыва градиентов" in article
        assert "Отсечение по норме" not in article and "Решение" not in article and "Проверить" not in article
