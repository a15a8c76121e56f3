"""The text of figures is of one size, whatever stands beside them and however wide the window is."""

import pytest

from bookmaker import SITE
from browser.opening import OpenPage

PAGES = [name for name in ("deep_networks", "jacobian_products", "exploding") if (SITE / f"book/{name}.html").exists()]
PANELS = "all => all.map(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width)"


@pytest.mark.parametrize("page", PAGES)
def test_letters_are_of_one_size_on_every_figure(page: str, site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/{page}.html") as opened:
        opened.page.add_style_tag(content="* { content-visibility: visible !important; }")
        for width in (1920, 1280, 1024, 720, 700, 375):
            opened.page.set_viewport_size({"width": width, "height": 900})
            scales = opened.page.locator(".gradflow-chart > svg").evaluate_all(PANELS)
            assert scales and min(scales) >= 0.8 and max(scales) <= 1.01, (width, scales)
