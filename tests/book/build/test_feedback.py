"""Pages and exercises offer their source and a way to write back, if the repository is known."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from bookmaker import KERNEL, ROOT, build, small_book

URL = "https://git.example/reader/book"
SOURCE = f"""{KERNEL}(sec-a)=
# Глава & «прочее»

(sec-a-exercises)=
## Задачи

::::{{exercise}} Сумма
:label: ex-clip-sign-flip
:level: на бумаге
:minutes: 5
:hand-in: число.
Сколько будет $2+2$?

:::{{quiz}} clip-sign-flip
Сумма:
:::
::::

:::{{dropdown}} Подсказка
На пальцах.
:::

:::{{dropdown}} Ответ
$4$.
:::

:::{{solution-start}} ex-clip-sign-flip
:::

Считаем.

```{{code-cell}} ipython3
from gradflow.exercises import check

check("clip-sign-flip", 4)
```

:::{{solution-end}}
:::
"""


@pytest.fixture(scope="module", params=[URL, ""])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, int]:
    """The address of the repository, the page and the line of its exercise."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("REPOSITORY_URL", request.param)
        folder = small_book(tmp_path_factory.mktemp("feedback"), exploding=SOURCE)
        passed, log = build(folder)
    assert passed, log
    lines = (folder / "book" / "exploding.md").read_text(encoding="utf-8").splitlines()
    line = next(i for i, text in enumerate(lines, start=1) if "{exercise}" in text)
    index = (folder / "_build" / "html" / "_static" / "search_index.js").read_text(encoding="utf-8")
    assert "Сумма" in index and "Сообщить об ошибке" not in index  # nobody searches for the links
    return request.param, (folder / "_build" / "html" / "book" / "exploding.html").read_text(encoding="utf-8"), line


def test_links_are_there_only_if_the_address_is_known(page: tuple[str, str, int]) -> None:
    url, html, line = page
    links = [unescape(link) for link in re.findall(r'href="(https://git\.example[^"]*)"', html)]
    if not url:
        assert links == [] and "Сообщить об ошибке" not in html
        return
    sources = [link for link in links if "/blob/" in link]
    assert sources == [f"{URL}/blob/HEAD/book/exploding.md?plain=1#L{line}", f"{URL}/blob/HEAD/book/exploding.md"]
    asked = [parse_qs(urlsplit(link).query) for link in links if link.startswith(f"{URL}/issues/new?")]
    assert [query["title"] for query in asked] == [["Задача «Сумма»"], ["Глава & «прочее»"]]
    assert [query["body"][0].split("\n\n")[0] for query in asked] == [
        "Страница: book/exploding\nЗадача: clip-sign-flip",
        "Страница: book/exploding",
    ]


def test_workflow_tells_the_build_the_address_of_the_repository_it_runs_in() -> None:
    workflow = (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")
    assert "REPOSITORY_URL: ${{ github.server_url }}/${{ github.repository }}\n" in workflow
