"""Figures come when the reader does, into a place of their size, and their text is of one size in every window."""

import pytest
from playwright.sync_api import Browser

from bookmaker import SITE
from browser.opening import OpenPage

PAGES = [name for name in ("deep_networks", "jacobian_products", "exploding") if (SITE / f"book/{name}.html").exists()]
PANELS = "all => all.map(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width)"


@pytest.mark.parametrize("page", PAGES)
def test_letters_are_of_one_size_on_every_figure(page: str, site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/{page}.html") as opened:
        opened.page.evaluate("bringCharts(document)")
        opened.page.add_style_tag(content="* { content-visibility: visible !important; }")
        for width in (1920, 1280, 1024, 720, 700, 375):
            opened.page.set_viewport_size({"width": width, "height": 900})
            scales = opened.page.locator(".gradflow-chart > svg").evaluate_all(PANELS)
            assert scales and min(scales) >= 0.8 and max(scales) <= 1.01, (width, scales)


PAGE = f"book/{PAGES[0]}.html"
EMPTY = "all => all.filter(one => !one.querySelector('svg')).length"
PLACES = """() => [...document.querySelectorAll(".gradflow-chart")].flatMap((chart) => {
  const {width, height} = chart.getBoundingClientRect();
  return [width, height];
})"""


@pytest.mark.parametrize("width", [1280, 375])
def test_chart_takes_the_place_that_was_kept_for_it(width: int, site: str, open_page: OpenPage) -> None:
    with open_page(site + PAGE, width) as opened:
        opened.page.add_style_tag(content="* { content-visibility: visible !important; }")
        kept = opened.page.evaluate(PLACES)
        assert opened.page.locator(".gradflow-chart").evaluate_all(EMPTY) > 0
        opened.page.evaluate("bringCharts(document)")
        assert opened.page.locator(".gradflow-chart").evaluate_all(EMPTY) == 0
        assert opened.page.evaluate(PLACES) == pytest.approx(kept, abs=0.5)


def test_chart_comes_when_the_reader_is_near(site: str, open_page: OpenPage) -> None:
    with open_page(site + PAGE) as opened:
        last = opened.page.locator("figure:not(details *):has(.gradflow-chart)").last
        assert last.locator("svg").count() == 0
        last.evaluate("(one) => one.scrollIntoView()")
        last.locator("svg").first.wait_for()
        assert opened.complaints == []


def test_every_chart_is_printed(site: str, open_page: OpenPage) -> None:
    with open_page(site + PAGE) as opened:
        assert opened.page.locator(".gradflow-chart").evaluate_all(EMPTY) > 0
        opened.page.pdf()
        assert opened.page.locator(".gradflow-chart").evaluate_all(EMPTY) == 0


@pytest.mark.parametrize("width", [1280, 375])
def test_without_scripts_charts_are_there(width: int, site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(site + PAGE)
    first = page.locator(".gradflow-chart svg").first
    box, place = first.bounding_box(), page.locator(".gradflow-chart > div").first.bounding_box()
    assert box is not None and place is not None
    assert [box["width"], box["height"]] == pytest.approx([place["width"], place["height"]], abs=0.5)
    context.close()
