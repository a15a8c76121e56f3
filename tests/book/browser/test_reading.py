"""What a reader does: opens a folded block by the keyboard, turns the lights off, reads from a folder."""

import re

import pytest
from playwright.sync_api import Browser

from bookmaker import SITE, pages
from browser.opening import OpenPage

BOOK = [page for page in pages() if page.startswith("book/")]


def pages_with(mark: str) -> list[str]:
    """Return the pages whose HTML holds a mark."""
    return [page for page in BOOK if mark in (SITE / page).read_text(encoding="utf-8")]


FOCUS_WHAT_COMES_BEFORE = """(place) => [...document.querySelectorAll("article :is(a[href], button)")]
  .filter((one) => one.compareDocumentPosition(place) & Node.DOCUMENT_POSITION_FOLLOWING && one.checkVisibility())
  .at(-1).focus()"""


@pytest.mark.parametrize("page", pages_with("<details")[:1])
def test_folded_block_opens_by_keyboard(page: str, site: str, open_page: OpenPage) -> None:
    with open_page(site + page) as opened:
        summary = opened.page.locator("article details summary").first
        summary.evaluate(FOCUS_WHAT_COMES_BEFORE)
        for _ in range(5):
            opened.page.keyboard.press("Tab")
            if summary.evaluate("element => element === document.activeElement"):
                break
        opened.page.keyboard.press("Enter")
        assert opened.page.locator("article details").first.get_attribute("open") is not None


def test_theme_switch_darkens_the_page_and_is_remembered(site: str, open_page: OpenPage) -> None:
    with open_page(site + BOOK[0]) as opened:
        switch = opened.page.locator(".theme-switch-button:visible").first
        for _ in range(3):
            if opened.page.locator("html").get_attribute("data-theme") != "dark":
                switch.click()
        background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(map(int, re.findall(r"\d+", background)[:3])) < 60
        opened.page.reload()
        assert opened.page.locator("html").get_attribute("data-theme") == "dark"


def test_dark_page_is_dark_before_a_script_has_come(site: str, browser: Browser) -> None:
    page = browser.new_page(color_scheme="dark")
    page.route("**/*.js*", lambda route: route.abort())
    page.goto(site + BOOK[0])
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.close()


INNER = "article section section :is(figure, div.proof, div.exercise)[id]"
TOP_OF_TARGET = """() => {
  const bottom = document.documentElement.scrollHeight - innerHeight - scrollY;
  return bottom < 2 ? 64 : document.getElementById(location.hash.slice(1)).getBoundingClientRect().top;
}"""


@pytest.mark.parametrize("page", pages_with('div class="exercise')[:2])
def test_link_to_a_figure_a_theorem_or_an_exercise_lands_there(page: str, site: str, browser: Browser) -> None:
    reader = browser.new_page(viewport={"width": 375, "height": 900})
    reader.goto(site + page)
    names = reader.locator(INNER).evaluate_all("found => found.map((one) => one.id)")
    for name in names[:: max(1, len(names) // 5)]:
        reader.goto("about:blank")
        reader.goto(f"{site}{page}#{name}")
        reader.wait_for_timeout(500)  # what comes near is laid out, and nothing may move the target
        assert 0 <= reader.evaluate(TOP_OF_TARGET) < 200, name
    reader.close()


@pytest.mark.parametrize("page", pages_with('class="math')[:2])
def test_page_reads_the_same_from_a_folder(page: str, open_page: OpenPage) -> None:
    with open_page((SITE / page).as_uri()) as opened:
        assert opened.page.locator("article .math mjx-container").count() > 0
        assert opened.faulty_formulas() == []
        assert opened.complaints == []
        assert opened.outside == []


def test_root_leads_to_the_first_page(site: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(site)
    page.wait_for_url("**/book/*.html")
    assert page.locator("article h1").count() == 1
    page.close()


GLARING = """() => [...document.querySelectorAll("article *")].filter((box) => {
  const [red, green, blue, alpha] = getComputedStyle(box).backgroundColor.match(/[\\d.]+/g).map(Number);
  return !box.closest("svg") && box.checkVisibility() && (alpha ?? 1) > 0.3 && Math.min(red, green, blue) > 110;
}).map((box) => box.className)"""


@pytest.mark.parametrize("page", pages_with("cell_output")[:3])
def test_no_box_glares_in_the_dark(page: str, site: str, open_page: OpenPage) -> None:
    with open_page(site + page, theme="dark") as opened:
        opened.page.evaluate("document.querySelectorAll('article details').forEach((fold) => { fold.open = true; })")
        assert opened.page.evaluate(GLARING) == []


def test_figure_is_drawn_in_the_colour_of_the_text(site: str, open_page: OpenPage) -> None:
    for page in pages_with("gradflow-chart")[:1]:
        for theme in ("light", "dark"):
            with open_page(site + page, theme=theme) as opened:
                opened.page.evaluate("bringCharts(document)")
                colours = opened.page.evaluate(
                    "[getComputedStyle(document.querySelector('.gradflow-chart svg')).fill, getComputedStyle(document.body).color]"
                )
                assert colours[0] == colours[1]
