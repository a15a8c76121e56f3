"""What screens and screen readers need is marked in the page: sides of panels, English terms, cards of tables."""

import re
from pathlib import Path

import pytest

from bookmaker import SAMPLE, build, small_book

SIDES = """
На правой половине {numref}`рис. {number} <fig-sample>` виден спад. Умножим матрицу справа налево.

Умножим матрицу слева.
"""
TABLE = """
| задача | что сделать с градиентом | сколько это стоит | когда помогает |
|---|---|---|---|
| взрыв | отсечь норму всего градиента | почти ничего | почти всегда, если порог выбран |
"""


@pytest.fixture(scope="module")
def article(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The HTML of a page with a table of words and an English term."""
    page = SAMPLE.replace("Левая кривая растёт, правая падает.", "Слева рост (exponential growth), справа — спад.")
    folder = small_book(tmp_path_factory.mktemp("marks"), page + SIDES + TABLE)
    passed, log = build(folder)
    assert passed, log
    return Path(folder, "_build/html/book/page.html").read_text(encoding="utf-8")


def test_caption_says_where_the_panels_stand_on_a_phone(article: str) -> None:
    assert '<span class="side" data-narrow="Сверху">Слева</span>' in article
    assert '<span class="side" data-narrow="снизу">справа</span>' in article


def test_text_that_speaks_of_a_figure_says_so_too(article: str) -> None:
    assert 'На <span class="side" data-narrow="нижней половине">правой половине</span> <a' in article
    assert "матрицу справа налево" in article
    assert "Умножим матрицу слева." in article


def test_english_term_is_english(article: str) -> None:
    assert '(<span lang="en">exponential growth</span>)' in article


def test_table_of_words_is_a_stack_of_cards_and_a_table_of_numbers_is_not(article: str) -> None:
    tables = re.findall(r'<table class="([^"]*)"', article)
    assert ["cards" in classes.split() for classes in tables] == [False, True]
    assert '<span class="card-label">сколько это стоит: </span>почти ничего' in article


def test_summary_holds_no_paragraph(article: str) -> None:
    assert "<summary" in article
    assert re.search(r"<summary[^>]*>\s*<p", article) is None


def test_head_holds_everything_once(article: str) -> None:
    head = article.split("</head>")[0]
    assert head.count('name="viewport"') == 1
    assert not re.search("searchindex|fontawesome|mathjax|design-tabs", head)
    assert re.search("<title>(.+) &#8212; \\1</title>", head) is None
