"""A book that knows where it will lie says so to search engines and messengers; one that does not stays silent."""

import re
import struct
from pathlib import Path

import pytest

from bookmaker import SAMPLE, build, small_book
from chapter.addresses import HEIGHT, WIDTH, picture, shortened

SECOND = "(sec-second)=\n# Вторая\n\nЗдесь $x_t$ и <угол>.\n"
CHART = '<div><svg viewBox="0 0 40 20" width="40"><path d="M0 0L40 20" stroke="currentColor"/></svg></div>'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with an address."""
    folder = small_book(tmp_path_factory.mktemp("addresses"), first=SAMPLE, second=SECOND)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BASE_URL", "https://example.org/book")
        passed, log = build(folder)
    assert passed, log
    return folder / "_build" / "html"


def head(site: Path, page: str) -> dict[str, str]:
    """Return what the head of a page says of it, by name."""
    html = (site / page).read_text(encoding="utf-8").split("</head>")[0]
    found = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', html)
    return {**dict(found), "canonical": "".join(re.findall(r'<link rel="canonical" href="([^"]+)"', html))}


def test_page_says_where_it_lies(site: Path) -> None:
    told = head(site, "book/second.html")
    assert told["canonical"] == told["og:url"] == "https://example.org/book/book/second.html"
    assert told["og:image"] == "https://example.org/book/_images/second.png"


def test_description_is_the_first_paragraph(site: Path) -> None:
    told = head(site, "book/second.html")
    assert told["description"] == told["og:description"] == "Здесь xt и &lt;угол&gt;."
    assert told["og:title"] == "Вторая"


def test_every_page_has_its_picture(site: Path) -> None:
    for name in ("first", "second"):
        data = (site / "_images" / f"{name}.png").read_bytes()
        assert struct.unpack(">II", data[16:24]) == (WIDTH, HEIGHT)


def test_picture_shows_the_chart_and_is_the_same_twice() -> None:
    assert picture("Заглавие", CHART) == picture("Заглавие", CHART)
    assert picture("Заглавие", CHART) != picture("Заглавие", "") != picture("Другое", "")


def test_sitemap_lists_the_pages_and_robots_find_it(site: Path) -> None:
    places = re.findall("<loc>(.*?)</loc>", (site / "sitemap.xml").read_text(encoding="utf-8"))
    assert places == [f"https://example.org/book/book/{name}.html" for name in ("first", "second")]
    assert "Sitemap: https://example.org/book/sitemap.xml" in (site / "robots.txt").read_text(encoding="utf-8")


def test_lost_reader_finds_back_from_any_depth(site: Path) -> None:
    assert '<base href="/book/">' in (site / "404.html").read_text(encoding="utf-8")


def test_address_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URL", "example.org/book")
    passed, log = build(small_book(tmp_path, SECOND), strictly=False)
    assert not passed
    assert "BASE_URL: expected an address like https://name.github.io/book/, got 'example.org/book'" in log


def test_long_description_ends_with_a_sentence_or_a_word() -> None:
    assert shortened("Да. " * 3) == "Да. " * 3
    assert shortened("слово " * 20 + "конец. " + "слово " * 30).endswith("конец.")
    assert shortened("слово " * 60).endswith("слово…")
