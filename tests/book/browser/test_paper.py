"""Printed from either theme, a page is black on white, and nothing on it is empty, cut or hidden."""

import pytest

from bookmaker import pages
from browser.opening import OpenPage

BOOK = [pytest.param(page, marks=pytest.mark.xdist_group(page)) for page in pages() if page.startswith("book/")]
OPEN = "document.querySelectorAll('article details').forEach((fold) => { fold.open = true; })"
PALE = """() => {
  const brightness = (colour) => Math.max(...colour.match(/[\\d.]+/g).slice(0, 3).map(Number));
  const pale = new Set();
  const words = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const box = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || !box.checkVisibility() || box.closest(".visually-hidden")) continue;
    const style = getComputedStyle(box);
    const colour = box.closest("svg") && box.tagName === "text" ? style.fill : style.color;
    const text = words.currentNode.data.trim().slice(0, 40);
    if (brightness(colour) > 200) pale.add(`${box.tagName}.${box.className} ${colour}: ${text}`);
    for (let outer = box; outer.tagName !== "ARTICLE"; outer = outer.parentElement)
      if (getComputedStyle(outer).opacity === "0") pale.add(`transparent: ${text}`);
  }
  return [...pale].slice(0, 5);
}"""
CUT = """() => [...document.querySelectorAll("article *")].filter((box) => {
  const style = getComputedStyle(box);
  if (style.overflowX === "visible" || !box.checkVisibility()) return false;
  if (box.closest("svg, .visually-hidden, mjx-math, math, code")) return false;
  return box.clientWidth > 1 && box.scrollWidth > box.clientWidth + 2;
}).map((box) => `${box.tagName}.${box.className}: ${box.textContent.trim().slice(0, 60)}`)"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
PAPER = 672  # pixels between the margins of an A4 page


@pytest.mark.parametrize("page", BOOK)
def test_paper_can_be_read(page: str, site: str, open_page: OpenPage) -> None:
    with open_page(site + page, width=PAPER) as opened:
        for theme in ("light", "dark"):
            opened.page.emulate_media(media="print", color_scheme=theme)
            opened.page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
            opened.page.evaluate(OPEN)
            assert opened.page.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
            assert opened.page.evaluate(PALE) == []
            assert opened.page.evaluate(CUT) == []


def test_problem_sheet_is_one_page(site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/problem_sheet.html") as opened:
        sheet = opened.page.pdf(prefer_css_page_size=True)
        assert sheet.count(b"/Type /Page\n") == 1
