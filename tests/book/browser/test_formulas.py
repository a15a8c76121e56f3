"""Formulas in the browser: copied as TeX, read as MathML, drawn without a script."""

import json
import re

import pytest
from playwright.sync_api import Browser

from bookmaker import SITE, pages
from browser.opening import OpenPage

BOOK = [page for page in pages() if page.startswith("book/")]
PAGE = next(page for page in BOOK if "<mjx-container" in (SITE / page).read_text(encoding="utf-8"))
COPY = """() => {
  const paragraph = [...document.querySelectorAll("article p")].find((one) => one.querySelector("mjx-container"));
  const range = document.createRange();
  range.selectNodeContents(paragraph);
  document.getSelection().removeAllRanges();
  document.getSelection().addRange(range);
  const data = new DataTransfer();
  document.dispatchEvent(new ClipboardEvent("copy", {clipboardData: data, bubbles: true, cancelable: true}));
  return [data.getData("text/plain"), paragraph.querySelector("mjx-container").dataset.tex];
}"""


def test_copied_formula_is_tex(site: str, open_page: OpenPage) -> None:
    with open_page(site + PAGE) as opened:
        text, tex = opened.page.evaluate(COPY)
        assert f"${tex}$" in text


@pytest.mark.parametrize("page", BOOK)
def test_every_formula_has_mathml(page: str) -> None:
    html = (SITE / page).read_text(encoding="utf-8")
    assert html.count("<mjx-container ") == html.count("</mjx-math><math")
    assert "MathJax" not in html


@pytest.mark.parametrize("page", [PAGE, "book/notation.html", "book/index.html"])
def test_a_page_asks_in_its_head_for_every_font_that_it_draws(page: str, site: str, open_page: OpenPage) -> None:
    asked = re.search(
        r"for \(const font of (\[.*?\])\) document\.fonts\.load", (SITE / page).read_text(encoding="utf-8")
    )
    assert asked is not None
    families = {re.sub(r'^(900 )?1em |"', "", font) for font in json.loads(asked[1])}
    with open_page(site + page) as opened:
        opened.page.emulate_media(media="print")  # lays out everything
        opened.page.evaluate("() => document.fonts.ready.then(() => null)")
        loaded = "[...document.fonts].filter((font) => font.status === 'loaded').map((font) => font.family)"
        drawn = {family.replace('"', "") for family in opened.page.evaluate(loaded)}
        assert {"MJXTEX"} <= drawn <= families


def test_headings_of_tables_keep_their_mathml(site: str, open_page: OpenPage) -> None:
    page = next(page for page in BOOK if "<th" in (SITE / page).read_text(encoding="utf-8"))
    with open_page(site + page) as opened:
        assert opened.page.locator("th mjx-container[aria-label]").count() == 0


def test_without_scripts_formulas_are_drawn_and_dead_buttons_are_hidden(site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site + PAGE)
    box = page.locator("article mjx-container").first.bounding_box()
    assert box is not None
    assert box["width"] > 0
    assert page.locator(".sidebar-toggle:visible, .dropdown-download-buttons:visible").count() == 0
    context.close()


def test_link_into_the_middle_lands_at_once(site: str, open_page: OpenPage) -> None:
    with open_page(site + PAGE, width=375) as opened:
        last = opened.page.evaluate("[...document.querySelectorAll('article section section[id]')].at(-1).id")
    with open_page(f"{site}{PAGE}#{last}", width=375) as opened:
        top = "document.getElementById(decodeURIComponent(location.hash.slice(1))).getBoundingClientRect().top"
        assert -2 <= opened.page.evaluate(top) < 900


@pytest.mark.parametrize("name", ["Оглавление", "Загрузите эту страницу"])
def test_focused_button_shows_it(name: str, site: str, open_page: OpenPage) -> None:
    with open_page(site + PAGE) as opened:
        button = opened.page.locator(
            f"header button[aria-label='{name}'], .bd-header-article button[aria-label='{name}']"
        ).first
        button.focus()
        opened.page.keyboard.press("Shift+Tab")
        opened.page.keyboard.press("Tab")
        assert (
            button.evaluate("one => one === document.activeElement && parseFloat(getComputedStyle(one).outlineWidth)")
            >= 2
        )
