"""The check of the site finds each kind of fault where it is, and lets a faultless page pass."""

from pathlib import Path

import pytest

from check_site import check

FAULTLESS = """<!DOCTYPE html>
<html lang="ru"><head><title>Страница</title><link rel="canonical" href="https://example.org/"></head>
<body><main><article>
<h1 id="top">GRU</h1>
<p>Формула <span class="math">\\(\\frac12\\)</span> и код <code>$a$ {ref}`x`</code>, <a href="https://doi.org/10">doi</a>.</p>
<div class="gradflow-chart" role="img" aria-label="Красная кривая растёт, синяя падает."><svg><text>relu</text></svg></div>
<!-- here -->
</article></main></body></html>
"""

FAULTS = {
    '<div class="output traceback"><pre>x</pre></div>': "a published traceback",
    '<div class="output stderr"><pre>x</pre></div>': "published stderr",
    "<p>Смотрите {numref}`рис. {number} &lt;fig-x&gt;`.</p>": "raw markup",
    "<p>::: {note}</p>": "raw markup",
    "<p>Пусть $x$ — число.</p>": "raw markup",
    "<p>Пусть \\lVert x\\rVert — число.</p>": "raw markup",
    '<code class="xref std"><span>fig-x</span></code>': "an unresolved reference",
    '<img src="data:image/png;base64," alt="../_images/a.png">': "picture with the alt text",
    '<div class="gradflow-chart"><svg></svg></div>': "chart without a description",
    '<svg viewBox="0 0 1 1"></svg>': "drawing without a description",
    '<p id="top">Снова.</p>': "id «top» again, first in line 4",
    "<pre>&lt;Figure at 0x7f3a5c0b1d90&gt;</pre>": "an object's address",
    "<pre>/home/me/book/page.md</pre>": "the build path",
    '<script src="https://example.org/a.js"></script>': "from outside",
    '<link rel="stylesheet" href="//example.org/a.css">': "from outside",
    '<p style="background: url(https://example.org/a.png)">Фон.</p>': "from outside",
    '<button aria-label="Toggle sidebar">×</button>': "aria-label=«Toggle sidebar» is English",
    '<p class="admonition-title">Note</p>': "«Note» is English",
    '<a href="absent.html">туда</a>': "leads nowhere",
    '<a href="#absent">туда</a>': "has no such place",
    '<img src="absent.png" alt="Красная кривая растёт, синяя падает.">': "leads nowhere",
    '<div class="admonition dropdown"></div>': "does not fold",
}


def check_page(folder: Path, html: str) -> list[str]:
    """Return what is found in a site of one page."""
    (folder / "page.html").write_text(html, encoding="utf-8")
    return [str(finding) for finding in check(folder, ["/home/me/book"])]


def test_faultless_page_passes(tmp_path: Path) -> None:
    assert check_page(tmp_path, FAULTLESS) == []


@pytest.mark.parametrize(("html", "message"), FAULTS.items())
def test_fault_is_found_in_its_line(tmp_path: Path, html: str, message: str) -> None:
    found = check_page(tmp_path, FAULTLESS.replace("<!-- here -->", html))
    assert found
    assert "page.html:7: " in found[0]
    assert message in found[0]


SOURCE = "# GRU\n\nФормула $\\frac12$ и код.\n\n![Красная кривая растёт](a.png)\n\nПервый.\n\nПервый.\n"


@pytest.mark.parametrize(
    ("html", "line"),
    [
        ("<p>Первый.</p><pre>at 0x7f3a5c0b1d90</pre>", 1),
        ('<p>Формула</p><svg viewBox="0 0 1 1"></svg>', 3),
        ('<svg viewBox="0 0 1 1"></svg><img src="a.png" alt="Красная кривая растёт">', 5),
        ('<a href="a.png">туда</a>', 5),
    ],
)
def test_fault_is_told_at_the_line_of_its_source(tmp_path: Path, html: str, line: int) -> None:
    source = tmp_path / "page.md"
    source.write_text(SOURCE, encoding="utf-8")
    site = tmp_path / "site"
    site.mkdir()
    (site / "page.html").write_text(f"<article><h1>GRU</h1>{html}</article>", encoding="utf-8")
    found = [str(finding) for finding in check(site, [], tmp_path)]
    assert found
    assert found[0].startswith(f"{source}:{line}: ")


def test_fault_without_a_source_is_told_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "search.html").write_text('<a href="absent.html">туда</a>', encoding="utf-8")
    assert [finding.file.name for finding in check(tmp_path, [], tmp_path)] == ["search.html"]
