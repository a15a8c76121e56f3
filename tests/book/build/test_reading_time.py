"""Each section says how long it takes and what comes before it; the map of the chapter says it of all."""

import re
from pathlib import Path

import pytest

from bookmaker import build, small_book

MAP = """(sec-map)=
# Карта

Здесь всё.

```{chapter-map}
long: Сколько $x$?
short: А потом?
```
"""
WORDS = "слово " * 130
LONG = f"""(sec-long)=
# Долгая: с подзаголовком

```{{before-reading}}
ничего
```

{WORDS * 6}

$$
x=1
$$ (eq-long)

```{{dropdown}} Доказательство
{WORDS * 40}
```
"""
SHORT = """(sec-short)=
# Короткая

```{before-reading}
{doc}`long`
```

Одно слово.

::::{exercise} Задача
:label: ex-sheet-vanishing
:level: на бумаге
:minutes: 7
:hand-in: число.

Найдите.

:::{quiz} sheet-vanishing
Сколько?
:::
::::
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of a map and two sections."""
    folder = small_book(tmp_path_factory.mktemp("minutes"), map=MAP, long=LONG, short=SHORT)
    _, log = build(folder, strictly=False)
    assert (folder / "_build" / "html" / "book" / "short.html").exists(), log
    return folder / "_build" / "html" / "book"


def plain(html: str) -> str:
    """The text without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def told(site: Path, page: str) -> str:
    """Return what stands under the title."""
    return plain(
        (site / page)
        .read_text(encoding="utf-8")
        .partition('class="before-reading')[2]
        .partition(">")[2]
        .partition("</div>")[0]
    )


def test_folded_text_takes_no_time_and_formulas_do(site: Path) -> None:
    assert told(site, "long.html").strip() == "Чтение — 10 минут. Сначала: ничего."  # 6,5 minutes, in steps of five


def test_exercises_are_counted_apart(site: Path) -> None:
    assert told(site, "short.html").strip() == "Чтение — 5 минут, задачи — 7 минут. Сначала: Долгая: с подзаголовком."
    assert '<a class="reference internal" href="long.html">' in (site / "short.html").read_text(encoding="utf-8")


def test_map_says_it_of_all(site: Path) -> None:
    html = (site / "map.html").read_text(encoding="utf-8").partition("<tbody>")[2].partition("</tbody>")[0]
    rows = [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in html.split("</tr>")][:2]
    cells = [
        [
            plain(re.sub(r'<span class="card-label">.*?</span>|<mjx-math.*?</mjx-math>', "", cell)).strip()
            for cell in row
        ]
        for row in rows
    ]
    assert cells == [
        ["Долгая: с подзаголовком", "Сколько x?", "10", "—", ""],
        ["Короткая", "А потом?", "5", "7", "Долгая"],
    ]


def test_description_of_a_page_is_not_its_minutes(site: Path) -> None:
    assert 'name="description" content="Одно слово."' in (site / "short.html").read_text(encoding="utf-8")
