"""On a phone nothing is cut without a sign, and nothing pushes the page sideways."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as StillCut

from bookmaker import SITE, pages
from browser.opening import OpenPage

BOOK = [pytest.param(page, marks=pytest.mark.xdist_group(page)) for page in pages() if page.startswith("book/")]
TEXT_SPACING = (
    "* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }"
    "p { margin-bottom: 2em !important }"
)
SHOW_ALL = "* { content-visibility: visible !important }"
CUT = """() => [...document.querySelectorAll("article *")].filter((box) => {
  const style = getComputedStyle(box);
  if (style.overflowX === "visible" || !box.checkVisibility()) return false;
  if (box.closest("svg, .visually-hidden, mjx-math, math")) return false;
  return box.clientWidth > 1 && box.scrollWidth > box.clientWidth + 2
    && !box.classList.contains("more-right") && box.scrollLeft === 0;
}).map((box) => `${box.tagName}.${box.className}: ${box.textContent.trim().slice(0, 60)}`)"""
LONE = """() => [...document.querySelectorAll("article .math")].filter((formula) => {
  const next = formula.nextSibling;
  if (next?.nodeType !== Node.TEXT_NODE || !/^[.,;:!?)»]/.test(next.data) || !formula.checkVisibility()) return false;
  const range = document.createRange();
  range.setStart(next, 0);
  range.setEnd(next, 1);
  return range.getClientRects()[0].top > formula.getClientRects()[formula.getClientRects().length - 1].bottom;
}).map((formula) => formula.querySelector("mjx-container").dataset.tex)"""


BROKEN = """() => [...document.querySelectorAll("article mjx-container:has(mjx-break):not([display], .wide)")].filter(
  (formula) => formula.checkVisibility() && getComputedStyle(formula).display !== "inline"
).map((formula) => formula.dataset.tex)"""


@pytest.fixture(scope="module", params=BOOK)
def page(request: pytest.FixtureRequest, site: str, open_page: OpenPage) -> Iterator[Page]:
    """A page on the narrowest phone, all of it laid out; the last test unfolds it."""
    with open_page(site + request.param, width=320) as opened:
        opened.page.add_style_tag(content=SHOW_ALL)
        yield opened.page


@pytest.mark.parametrize("style", ["", TEXT_SPACING], ids=["plain", "spaced"])
def test_narrowest_page_does_not_scroll_sideways(page: Page, style: str) -> None:
    page.set_viewport_size({"width": 320, "height": 900})
    sheet = page.add_style_tag(content=SHOW_ALL + style)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    sheet.evaluate("(sheet) => sheet.remove()")


def test_no_line_begins_with_the_comma_after_a_formula(page: Page) -> None:
    page.set_viewport_size({"width": 375, "height": 900})
    assert page.evaluate(LONE) == []
    assert page.evaluate(BROKEN) == []


def test_what_is_cut_fades_and_can_be_scrolled(page: Page) -> None:
    page.evaluate("document.querySelectorAll('article details').forEach((fold) => { fold.open = true; })")
    page.set_viewport_size({"width": 375, "height": 20_000})
    for top in range(0, page.evaluate("document.documentElement.scrollHeight"), 15_000):
        page.evaluate(f"window.scrollTo(0, {top})")
        page.wait_for_timeout(200)
    with suppress(StillCut):  # the boxes are looked at when they have come near the screen
        page.wait_for_function(f"({CUT})().length === 0", timeout=10_000)
    assert page.evaluate(CUT) == []


def test_links_to_the_neighbouring_pages_are_whole(site: str, open_page: OpenPage) -> None:
    page = next(
        page.values[0] for page in BOOK if 'class="right-next"' in (SITE / page.values[0]).read_text(encoding="utf-8")
    )
    for width in (375, 360, 320):
        with open_page(site + page, width=width) as opened:
            for link in opened.page.locator(".prev-next-area a").all():
                assert link.evaluate("link => link.scrollWidth <= link.clientWidth")


def test_table_of_words_becomes_cards(site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/exercise_index.html", width=375) as opened:
        rows = opened.page.locator("table.cards tbody tr")
        for index in range(5):
            lines = rows.nth(index).inner_text().split("\n")
            assert len(lines) >= 4
            box = rows.nth(index).bounding_box()
            assert box is not None
            assert box["height"] < 34 * (len(lines) + 2), "no blank space in a card"


def test_touch_leaves_no_tooltip(site: str, browser: Browser) -> None:
    context = browser.new_context(is_mobile=True, has_touch=True, viewport={"width": 375, "height": 800})
    page = context.new_page()
    page.goto(f"{site}book/index.html")
    page.locator(".theme-switch-button:visible").first.tap()
    page.wait_for_timeout(500)
    assert page.locator(".tooltip:visible").count() == 0
    context.close()
