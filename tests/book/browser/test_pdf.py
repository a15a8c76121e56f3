"""The chapter in one file: every page, bookmarks, links, tags, letters, embedded fonts; with and without solutions."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from bookmaker import ROOT, SAMPLE, build, run, small_book
from make_pdf import document

EXERCISES = """(sec-sheet)=
# Листок

См. {prf:ref}`thm-sample`.

(sec-sheet-exercises)=
## Задачи

::::{exercise} Медуза
:label: ex-sheet-vanishing
:level: на бумаге
:minutes: 5
:hand-in: число.

Условие о медузе.

:::{quiz} sheet-vanishing
Сколько?
:::
::::

:::{dropdown} Подсказка
Подсказка о щупальцах.
:::

:::{dropdown} Ответ
Ответ о яде.
:::

:::{solution-start} ex-sheet-vanishing
:::

Решение о море.

:::{solution-end}
:::

(sec-sheet-end)=
## Конец

Последнее слово: ёж.
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built book of two pages."""
    folder = small_book(tmp_path_factory.mktemp("pdf"), first=SAMPLE, problem_sheet=EXERCISES)
    passed, log = build(folder, strictly=False)
    assert passed, log
    return folder


@pytest.fixture(scope="module")
def whole(book: Path) -> PdfReader:
    """Its PDF."""
    passed, log = run(book, sys.executable, ROOT / "book" / "_ext" / "make_pdf.py", "_build/html")
    assert passed, log
    return PdfReader(book / "_build" / "html" / "chapter.pdf")


@pytest.fixture(scope="module")
def sheet(book: Path, whole: PdfReader) -> PdfReader:
    """Its PDF without solutions, made after the other."""
    passed, log = run(book, sys.executable, ROOT / "book" / "_ext" / "make_pdf.py", "_build/html", "sheet")
    assert passed, log
    return PdfReader(book / "_build" / "html" / "chapter-without-solutions.pdf")


def text(pdf: PdfReader) -> str:
    """The words of all pages."""
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pdf.pages))


def titles(outline: list[Any], level: int = 0) -> Iterator[tuple[int, str]]:
    for one in outline:
        if isinstance(one, list):
            yield from titles(one, level + 1)
        else:
            yield level, one.title


def test_pages_are_a4_and_all_there(whole: PdfReader) -> None:
    assert 4 <= len(whole.pages) <= 8  # the cover, the sample, the sheet
    assert {tuple(round(side) for side in page.mediabox[2:]) for page in whole.pages} == {(595, 842)}
    assert "Последнее слово: ёж." in text(whole)
    assert "В теореме 1 ничего не доказано" in text(whole) or "в теореме 1 ничего не доказано" in text(whole)


def test_solutions_stand_at_the_end_of_their_section(whole: PdfReader) -> None:
    words = text(whole)
    order = ["Условие о медузе.", "Последнее слово: ёж.", "Подсказка о щупальцах.", "Ответ о яде.", "Решение о море."]
    assert [words.count(one) for one in order] == [1] * 5
    assert sorted(order, key=words.index) == order


def test_sheet_has_no_solutions(sheet: PdfReader) -> None:
    words = text(sheet)
    assert "Условие о медузе." in words and "Последнее слово" in words
    assert not re.search("щупальцах|яде|море|Подсказки", words)


def test_charts_are_drawn(book: Path) -> None:
    html = document(book / "_build" / "html", "")
    assert html.count('class="gradflow-chart"') == 1 and html.count("<svg xmlns") == 2
    assert "noscript" not in html and "aspect-ratio" not in html


def test_bookmarks_are_the_headings(whole: PdfReader) -> None:
    assert list(titles(whole.outline)) == [
        (0, "Взрыв и затухание градиентов"),
        (0, "Проба всего, что бывает на странице"),
        (1, "Рисунок"),
        (1, "Теорема"),
        (1, "Литература"),
        (0, "Листок"),
        (1, "Задачи"),
        (1, "Конец"),
        (1, "Подсказки, ответы и решения"),
    ]


def test_links_lead_to_places_in_the_file_or_to_the_web(whole: PdfReader) -> None:
    links = [one.get_object() for page in whole.pages for one in page.get("/Annots", [])]
    inside = [link for link in links if "/Dest" in link]
    assert len(inside) > 5
    addresses = [link["/A"]["/URI"] for link in links if "/A" in link and "/URI" in link["/A"]]
    assert "https://example.org/" in addresses
    assert [address for address in addresses if not address.startswith("http")] == []
    places = whole.named_destinations
    assert {str(link["/Dest"]) for link in inside} <= set(places)


def test_file_is_tagged_and_russian(whole: PdfReader) -> None:
    root = whole.root_object
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert str(root["/Lang"]).startswith("ru")


def test_fonts_are_embedded(whole: PdfReader) -> None:
    fonts = [font.get_object() for page in whole.pages for font in page["/Resources"].get("/Font", {}).values()]
    assert fonts
    for font in fonts:
        if font["/Subtype"] != "/Type3":  # whose shapes stand in the file by definition
            described = font.get("/DescendantFonts", [font])[0].get_object()["/FontDescriptor"].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(described)


def test_site_offers_both_files_once(book: Path, whole: PdfReader, sheet: PdfReader) -> None:
    html = (book / "_build" / "html" / "book" / "first.html").read_text(encoding="utf-8")
    assert html.count('href="../chapter.pdf"') == html.count('href="../chapter-without-solutions.pdf"') == 1
    assert not (book / "_build" / "html" / "one-page.html").exists()
    assert "Вся глава" not in text(whole) + text(sheet)


def test_unknown_kind_is_refused(book: Path) -> None:
    passed, log = run(book, sys.executable, ROOT / "book" / "_ext" / "make_pdf.py", "_build/html", "blatt")
    assert not passed and "PDF: expected «sheet» or nothing, got 'blatt'" in log


def test_missing_browser_is_told_with_its_cure(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CHROMIUM", "")
    passed, log = run(book, sys.executable, ROOT / "book" / "_ext" / "make_pdf.py", "_build/html")
    if not passed:  # a machine may have one in a place of its own
        assert "apt-get install chromium" in log
