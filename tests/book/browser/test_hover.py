"""A reference shows what it names: by the mouse, by the keyboard, from a folder, and never in the way of a finger."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from bookmaker import SAMPLE, build, small_book
from browser.opening import OpenPage
from browser.test_pages import RULES
from chapter.previews import portable

OTHER = """(sec-other)=
# Другая

Сравните с {term}`взрыв градиента`, с {prf:ref}`thm-sample`, с {ref}`рисунком <sec-sample-chart>` и со {doc}`всем <sample>`.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything, and one that refers to it."""
    book = small_book(tmp_path_factory.mktemp("hover"), sample=SAMPLE, other=OTHER)
    passed, log = build(book)
    assert passed, log
    return book / "_build" / "html" / "book"


@pytest.fixture
def sample(folder: Path, open_page: OpenPage) -> Iterator[Page]:
    """The page with everything."""
    with open_page((folder / "sample.html").as_uri()) as opened:
        yield opened.page
        assert opened.complaints == []
        assert opened.outside == []


@pytest.fixture
def other(folder: Path, open_page: OpenPage) -> Iterator[Page]:
    """The page that refers to it."""
    with open_page((folder / "other.html").as_uri()) as opened:
        yield opened.page


def preview(page: Page, href: str) -> str:
    """Point at a reference; return what is shown."""
    page.mouse.move(0, 0)
    page.locator("#preview").wait_for(state="hidden")
    page.locator(f"article a.reference[href='{href}']").first.hover()
    page.locator("#preview").wait_for()
    return page.locator("#preview").inner_text()


@pytest.mark.parametrize(
    ("href", "words"),
    [
        ("#thm-sample", "Очень длинная формула"),
        ("#fig-sample", "Левая кривая растёт, правая падает."),
        ("#term-0", "Рост нормы градиента с числом слоёв."),
        ("#equation-eq-sample", "(1)"),
    ],
)
def test_reference_shows_what_it_names(href: str, words: str, sample: Page) -> None:
    assert words in preview(sample, href)
    assert sample.locator(f"a[href='{href}'][aria-describedby=preview]").count() == 1
    sample.mouse.move(0, 0)
    sample.locator("#preview").wait_for(state="hidden")


def test_formula_and_figure_are_drawn(sample: Page) -> None:
    preview(sample, "#equation-eq-sample")
    drawn = sample.locator("#preview mjx-container").evaluate(
        "(formula) => formula.firstChild.getBoundingClientRect().width"
    )
    assert drawn > 100
    preview(sample, "#fig-sample")
    assert sample.locator("#preview svg").count() == 2


@pytest.mark.parametrize(("key", "words"), [("term-", "Рост нормы"), ("thm-sample", "Пусть")])
def test_what_stands_on_another_page_comes_along(key: str, words: str, other: Page) -> None:
    link = other.locator(f"article a.reference[href*='sample.html#{key}']").first
    assert words in preview(other, str(link.get_attribute("href")))
    assert other.locator("#preview [id], #preview a").count() == 0


def test_references_to_sections_show_nothing(other: Page) -> None:
    other.locator("article a[href*='#sec-sample-chart']").hover()
    other.locator("article a[href*='#thm-sample']").hover()
    other.locator("#preview").wait_for()
    assert "Рисунок" not in other.locator("#preview").inner_text()


def test_keyboard_shows_it_and_escape_closes(sample: Page) -> None:
    for _ in range(200):
        sample.keyboard.press("Tab")
        if sample.locator("#preview").is_visible():
            break
    assert sample.locator(":focus").get_attribute("aria-describedby") == "preview"
    sample.keyboard.press("Escape")
    assert not sample.locator("#preview").is_visible()
    assert sample.locator("[aria-describedby=preview]").count() == 0


def test_mouse_may_go_over_to_it(sample: Page) -> None:
    preview(sample, "#fig-sample")
    sample.locator("#preview").hover()
    sample.wait_for_timeout(600)  # longer than it waits for the mouse
    assert sample.locator("#preview").is_visible()


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (375, "light")])
def test_preview_is_accessible_and_inside_the_window(width: int, theme: str, folder: Path, open_page: OpenPage) -> None:
    with open_page((folder / "sample.html").as_uri(), width, theme) as opened:
        for href in ("#equation-eq-sample", "#thm-sample", "#fig-sample"):
            preview(opened.page, href)
            box = opened.page.locator("#preview").bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
            result = Axe().run(opened.page, options=RULES)
            assert result.violations_count == 0, result.generate_report()


def test_finger_follows_the_link(folder: Path, browser: Browser) -> None:
    context = browser.new_context(is_mobile=True, has_touch=True, viewport={"width": 375, "height": 800})
    page = context.new_page()
    page.goto((folder / "sample.html").as_uri())
    page.locator("article a.reference[href='#thm-sample']").first.tap()
    page.wait_for_url(lambda address: address.endswith("#thm-sample"))
    page.wait_for_timeout(400)  # longer than it would wait before it appears
    assert not page.locator("#preview").is_visible()
    context.close()


def test_page_without_references_loads_no_script(folder: Path) -> None:
    assert "hover.js" in (folder / "sample.html").read_text(encoding="utf-8")
    assert "hover.js" not in (folder.parent / "search.html").read_text(encoding="utf-8")


def test_a_figure_of_another_page_comes_as_its_caption() -> None:
    drawn = "<div><svg></svg><select><option>ReLU</option></select></div>"
    figure = f'<figure id="f">\n{drawn}\n<figcaption>Рост.</figcaption></figure>'
    assert portable(figure) == "<figure>\n<figcaption>Рост.</figcaption></figure>"
