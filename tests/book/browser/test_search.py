"""The search finds word families, English terms and words with one wrong letter, and says where each hit stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from bookmaker import SITE, build, small_book
from browser.opening import Opened, OpenPage, served
from browser.test_pages import RULES

FIRST = """(sec-first)=
# Почему градиент затухает

Сигнал проходит сто слоёв.

(sec-first-cell)=
## Ячейка памяти

В ней хранится одно число.

:::{prf:theorem} Сохранение
:label: thm-kept
Карусель ничего не теряет: $x_t=x_0$.
:::

::::{exercise} Предел
:label: ex-limit
:level: на бумаге
:minutes: 5
:hand-in: число.

Куда стремится медуза?

:::{quiz} sheet-vanishing
Сколько?
:::
::::

:::{dropdown} Подсказка
Тайна первая.
:::

:::{dropdown} Ответ
Тайна вторая.
:::

:::{solution-start} ex-limit
:::

Тайна третья.

:::{solution-end}
:::
"""
SECOND = """(sec-second)=
# Отсечение

Градиентный спуск с порогом.

(sec-second-glossary)=
## Словарь

:::{glossary}
отсечение по норме
norm clipping
  Умножение всех производных на один множитель.
:::
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of two pages whose words are known."""
    folder = small_book(tmp_path_factory.mktemp("search"), problem_sheet=FIRST, second=SECOND)
    passed, log = build(folder, strictly=False)
    assert passed, log
    return folder / "_build" / "html"


@pytest.fixture(scope="module", params=["http", "file"])
def search(request: pytest.FixtureRequest, book: Path, open_page: OpenPage) -> Iterator[Page]:
    """The search page of that book, served or opened from its folder."""
    with (
        served(book) as address,
        open_page(f"{book.as_uri()}/search.html" if request.param == "file" else f"{address}search.html") as opened,
    ):
        yield opened.page
        assert opened.complaints == []
        assert opened.outside == []


def ask(page: Page, query: str) -> list[str]:
    """Type a query; return the titles of what is found."""
    page.locator(".bd-search-container input").fill(query)
    return page.locator("#search-results li > a").all_inner_texts()


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("градиентами", "Почему градиент затухает"),
        ("градиент", "Отсечение"),  # where it is an adjective
        ("затухание", "Почему градиент затухает"),
        ("затухать", "Почему градиент затухает"),
        ("ячеек", "Ячейка памяти"),
        ("слой", "Почему градиент затухает"),
        ("карусели", "Теорема 1. Сохранение"),
        ("медузы", "Задача 1. Предел"),
        ("теорема", "Теорема 1. Сохранение"),
        ("vanishing gradients", "Почему градиент затухает"),
        ("gradient", "Отсечение"),
        ("norm clipping", "Термин. отсечение по норме (norm clipping)"),
        ("clip", "Термин. отсечение по норме (norm clipping)"),
        ("cell", "Ячейка памяти"),
        ("градеент", "Почему градиент затухает"),  # a wrong letter
        ("крусель", "Теорема 1. Сохранение"),  # one is missing
        ("карруселью", "Теорема 1. Сохранение"),  # one too many
        ("карсуель", "Теорема 1. Сохранение"),  # two exchanged
        ("картофель", None),
    ],
)
def test_what_is_found(query: str, title: str | None, search: Page) -> None:
    assert title is None or title in ask(search, query)
    assert title is not None or ask(search, query) == []


def test_hit_names_its_section_and_shows_the_words(search: Page) -> None:
    ask(search, "карусель")
    hit = search.locator("#search-results li")
    assert hit.count() == 1
    assert "в разделе «Ячейка памяти»" in hit.inner_text()
    assert "Карусель ничего не теряет: xt=x0." in hit.inner_text()
    assert hit.locator("mark").all_inner_texts() == ["Карусель"]
    heading = search.locator("#search-results h2")
    assert heading.all_inner_texts() == ["Почему градиент затухает"]
    assert heading.is_visible()
    assert search.locator("#search-status").inner_text() == "Найдено мест: 1, страниц: 1."


def test_no_page_is_named_twice(search: Page) -> None:
    ask(search, "градиент")
    headings = search.locator("#search-results h2").all_inner_texts()
    assert sorted(headings) == ["Отсечение", "Почему градиент затухает"]


def test_solutions_are_not_given_away(search: Page) -> None:
    assert ask(search, "тайна") == []


def test_all_words_must_stand_together(search: Page) -> None:
    assert ask(search, "карусель сохранение") == ["Теорема 1. Сохранение"]
    ask(search, "карусель порог")
    assert "Все слова сразу нигде не стоят" in search.locator("#search-status").inner_text()


def test_a_corrected_word_is_told(search: Page) -> None:
    ask(search, "крусель")
    assert "Слова «крусель» в книге нет, показано «карусель»." in search.locator("#search-status").inner_text()


def test_nothing_found_suggests_something(search: Page) -> None:
    assert ask(search, "курсель") == []
    suggestion = search.locator("#search-status a")
    assert suggestion.inner_text() == "карусель"
    with search.expect_navigation(url=f"**/*q={quote('карусель')}*"):
        suggestion.click()
    assert search.locator("#search-results li > a").all_inner_texts() == ["Теорема 1. Сохранение"]


def test_query_stands_in_the_address(search: Page) -> None:
    search.locator(".bd-search-container input").fill("медуза")
    with search.expect_navigation(url=f"**/*q={quote('медуза')}*"):  # not that of the test before
        search.keyboard.press("Enter")
    assert search.locator(".bd-search-container input").input_value() == "медуза"


def test_hit_leads_to_its_place_and_the_words_are_marked(search: Page) -> None:
    ask(search, "карусель")
    with search.expect_navigation(url="**/*#thm-kept"):
        search.locator("#search-results li > a").click()
    search.wait_for_function("CSS.highlights.has('found')")
    marked = "[...CSS.highlights.get('found')].map((range) => range.toString())"
    assert search.evaluate(marked) == ["Карусель"]
    search.go_back()


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (375, "dark")])
def test_results_are_accessible_and_fit(width: int, theme: str, book: Path, open_page: OpenPage) -> None:
    with open_page(f"{book.as_uri()}/search.html?q=градиент", width, theme) as opened:
        assert opened.page.locator("#search-results li").count() > 1
        result = Axe().run(opened.page, options=RULES)
        assert result.violations_count == 0, result.generate_report()
        assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def in_sight(opened: Opened) -> bool:
    box = opened.page.locator(".search-button-field").bounding_box()
    return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= 800


@pytest.mark.parametrize("page", ["references", "changes", "index"])
def test_search_box_stays_in_sight(page: str, site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/{page}.html") as opened:
        opened.page.set_viewport_size({"width": 1280, "height": 800})
        menu = opened.page.locator("#pst-primary-sidebar")
        menu.evaluate("(menu) => { menu.scrollTop = menu.scrollHeight; }")
        assert in_sight(opened)


FAMILIES = [
    "ячейка ячеек ячейками",
    "затухание затухать затухает затухающий",
    "градиент градиентный градиентами",
    "взрыв взрываться взорвался взрывной",
    "отсечение отсекать отсечь",
    "нормализация нормализовать",
    "матрица матричный матриц",
    "слой слоёв слоя",
    "вентиль вентили вентилями",
    "ошибка ошибок",
    "память памяти",
    "clipping clipped clip",
    "exploding explode",
]


@pytest.mark.parametrize("words", FAMILIES)
def test_words_of_a_family_are_one(words: str, search: Page) -> None:
    families = search.evaluate(
        "(words) => words.map((word) => gradflowSearch.family(word))", words.replace("ё", "е").split()
    )
    assert len(set(families)) == 1


def test_different_words_stay_apart(search: Page) -> None:
    words = "градиент градус матрица мать слой слово вентиль вентилятор норма нормальный память поток потеря порог"
    assert len(set(search.evaluate("(words) => words.map((word) => gradflowSearch.family(word))", words.split()))) == 14


QUERIES = [
    "градиента",
    "взрывом",
    "слоёв",
    "ячеек",
    "vanishing gradient",
    "clipping",
    "forget gate",
    "затуханее",
    "LSTM",
    "Ляпунов",
]


@pytest.fixture(scope="module")
def search_of_the_book(open_page: OpenPage) -> Iterator[Opened]:
    """The search page of the real book."""
    with open_page((SITE / "search.html").as_uri()) as opened:
        yield opened


@pytest.mark.parametrize("query", QUERIES)
def test_real_book_is_searched(query: str, search_of_the_book: Opened) -> None:
    page = search_of_the_book.page
    assert ask(page, query)
    pages = page.locator("#search-results h2").all_inner_texts()
    assert 1 < len(pages) == len(set(pages))
    assert page.locator("#search-results mark").count() >= len(pages)
    assert search_of_the_book.complaints == []
