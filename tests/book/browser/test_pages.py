"""Every page in a real browser, in both themes, on a desk and on a phone."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe

from bookmaker import SITE, pages
from browser.opening import Opened, OpenPage

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "preload": False,  # axe would fetch the style sheets a second time, from wrong places
    "resultTypes": ["violations"],  # a report on what is right takes as long again
}
COLOURS = ["color-contrast", "link-in-text-block"]
ONLY_COLOURS = RULES | {"runOnly": COLOURS}
NO_COLOURS = RULES | {"rules": {rule: {"enabled": False} for rule in COLOURS}}
# What axe is asked in a view: a theme changes nothing but colours, and no style sheet knows a width between 375 and 320.
ASKED = {
    (1280, "light"): RULES,
    (1280, "dark"): ONLY_COLOURS,
    (320, "dark"): ONLY_COLOURS,
    (320, "light"): RULES,
    (375, "light"): NO_COLOURS,
}
VIEWS = [*ASKED, (375, "dark")]
# A check of axe looks at every element and above it, so that a page of 28 000 costs it 15 s. Three quarters of
# them are drawn by one program: strokes of formulas and of charts, coloured words of code. The first view judges them
# all. In the others a formula is an empty box of its size beside the words that are read aloud, a chart is empty, and
# of the words of a code that look alike by their classes one is left on a page: 5 000 elements, 3 s.
SIMPLIFY = """() => {
  const taken = [];
  const replace = (element, ...children) => {
    taken.unshift([element, [...element.childNodes]]);
    element.replaceChildren(...children);
  };
  window.restore = () => taken.forEach(([element, children]) => element.replaceChildren(...children));

  const seen = new Set();
  const isFirstOfItsKind = (word) => {
    if (word.nodeType !== Node.ELEMENT_NODE || !word.checkVisibility()) return false;
    let kind = "";
    for (let element = word; element; element = element.parentElement) kind += `${element.localName}.${element.className} `;
    return !seen.has(kind) && seen.add(kind);
  };
  const formulas = [...document.querySelectorAll("mjx-container")].map((formula) => {
    const { width, height } = formula.firstChild.getBoundingClientRect();
    const box = document.createElement("span");
    box.style.cssText = `display: inline-block; width: ${width}px; height: ${height}px`;
    return [formula, box, formula.lastChild];
  });
  const speeches = [...document.querySelectorAll("mjx-container math")].map((math) => {
    const words = document.createElementNS(math.namespaceURI, "mtext");
    words.textContent = math.textContent;
    return [math, words];
  });
  const codes = [...document.querySelectorAll("pre")].map((code) => {
    const parts = [""];
    for (const word of code.childNodes) {
      if (isFirstOfItsKind(word)) parts.push(word, "");
      else parts[parts.length - 1] += word.textContent;
    }
    return [code, parts];
  });
  formulas.forEach(([formula, box, speech]) => replace(formula, box, speech));
  speeches.forEach(([math, words]) => replace(math, words));
  codes.forEach(([code, parts]) => replace(code, ...parts));
  document.querySelectorAll("svg[aria-hidden=true]").forEach((drawing) => replace(drawing));
}"""
RUN = "(rules) => axe.run(rules).then((found) => found.violations)"
# A link of the menu that is half under the search box, which stays in sight, is no small target: menus scroll.
MENU_TO_ITS_TOP = "document.querySelectorAll('.bd-sidebar-primary').forEach((menu) => { menu.scrollTop = 0; })"
# The theme looks for what scrolls 300 ms after a change of width, which a page is told of with its next frame.
SETTLED = """() => new Promise((settled) => {
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(settled, 350)));
})"""
# The root only leads to the first page, and the page 404 has no theme.
READ = [page for page in pages() if page not in {"index.html", "404.html"}]


@pytest.fixture(scope="module", params=[pytest.param(page, marks=pytest.mark.xdist_group(page)) for page in READ])
def loaded(request: pytest.FixtureRequest, site: str, open_page: OpenPage) -> Iterator[Opened]:
    """A page of the book."""
    with open_page(site + request.param) as result:
        yield result


@pytest.fixture(scope="module", params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def view(request: pytest.FixtureRequest) -> tuple[int, str]:
    """A width and a theme."""
    return request.param


@pytest.fixture(scope="module")
def opened(view: tuple[int, str], loaded: Opened) -> Opened:
    """The page in one of the views."""
    width, theme = view
    loaded.page.set_viewport_size({"width": width, "height": 900})
    loaded.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    loaded.page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
    loaded.page.evaluate(SETTLED)
    return loaded


def test_every_formula_is_rendered(opened: Opened) -> None:
    assert opened.faulty_formulas() == []


def test_console_is_silent(opened: Opened) -> None:
    assert opened.complaints == []


def test_nothing_is_asked_from_outside(opened: Opened) -> None:
    assert opened.outside == []


def test_page_does_not_scroll_sideways(opened: Opened) -> None:
    assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("view", ASKED, indirect=True, ids=lambda view: f"{view[0]}-{view[1]}")
def test_axe_finds_nothing(view: tuple[int, str], opened: Opened) -> None:
    # Sections far from the screen are not laid out until the reader comes near: here he is near to all of them.
    opened.page.add_style_tag(content="* { content-visibility: visible !important; }")
    opened.page.evaluate("() => document.fonts.ready.then(() => true)")
    opened.page.keyboard.press("Tab")  # boxes far from the screen are looked at when the keyboard is used
    opened.page.evaluate("document.activeElement.blur()")
    opened.page.wait_for_function("!document.querySelector('.tooltip')")  # nothing is left open over the page
    opened.page.evaluate(MENU_TO_ITS_TOP)
    if opened.page.evaluate("window.axe === undefined"):
        opened.page.evaluate(AXE_SCRIPT)
    if view != VIEWS[0]:
        opened.page.evaluate(SIMPLIFY)
    found = opened.page.evaluate(RUN, ASKED[view])
    opened.page.evaluate("window.restore?.()")
    assert [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lost_reader_is_met(theme: str, site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}404.html", width=320, theme=theme) as opened:
        result = Axe().run(opened.page, options=RULES)
        assert result.violations_count == 0, result.generate_report()
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 320
        # With BASE_URL the links lead to the published site: they are not followed.
        for link in opened.page.get_by_role("link").all():
            assert (SITE / str(link.get_attribute("href"))).exists()
