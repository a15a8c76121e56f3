"""One page with everything a page may hold builds without a warning and shows what it should."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
from nbclient import NotebookClient

from bookmaker import SAMPLE, build, small_book
from chapter.charts import BLANK, SHAPE, slim
from chapter.charts import PANEL as PANEL_OF_CHART
from chapter.light_pages import plain_tokens
from gradflow.exercises._channels import without_ports


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built sample page."""
    folder = small_book(tmp_path_factory.mktemp("sample"), SAMPLE)
    passed, log = build(folder)
    assert passed, log
    return folder


@pytest.fixture(scope="module")
def article(book: Path) -> str:
    """The HTML of the page's own text."""
    html = (book / "_build" / "html" / "book" / "page.html").read_text(encoding="utf-8")
    return html.split("<article", 1)[1].split("</article>")[0]


def plain(html: str) -> str:
    """The text without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def test_references_are_declined(article: str) -> None:
    assert "На рис. 1 середина равна 2,5; в теореме 1 ничего не доказано" in plain(article)


def test_chart_is_an_image_with_its_conclusion(article: str) -> None:
    assert (
        article.count('role="img" aria-label="Левая кривая растёт от 1 до 4, правая с той же скоростью падает."') == 1
    )
    assert article.count("<svg xmlns") == 2


def test_proof_may_begin_with_a_formula(article: str) -> None:
    proof = article.split('class="proof-title">')[1]
    assert proof.startswith("Доказательство.")
    assert '<div class="math' in proof.split("Этого довольно")[0]


def test_citations_are_russian(article: str) -> None:
    assert "Pascanu и др., 2013" in plain(article)
    assert "Goodfellow и др. [2016]" in plain(article)


def results(notebook: nbformat.NotebookNode) -> list[str]:
    """What the cells of a notebook show, as text."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.data["text/plain"] for output in outputs if "text/plain" in output.get("data", {})]


def test_notebook_runs_far_from_the_book(book: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(book / "_build" / "html" / "_sources" / "book" / "page-page.ipynb", as_version=4)
    shown = results(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    with TemporaryDirectory() as folder:
        place = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, resources=place, config=without_ports(folder)).execute()
    assert results(notebook) == shown == ["Chart(2)", "2.0"]


def test_every_path_of_a_chart_has_a_shape() -> None:
    glyph, curve = '<path id="a-DejaVuSans-3" transform="scale(1)"/>', '<path id="b" d="M1 1" style="d=1"/>'
    assert BLANK.sub(SHAPE, glyph + curve) == glyph.replace("<path ", '<path d="M0 0" ') + curve


PANEL = """<svg viewBox="0 0 9 9"> <defs>
 </defs>
 <g id="axes_1"> <g id="line_1" transform="scale(2)"><defs><path id="m" d="M0 0"/></defs> <g id="x">
 <use xlink:href="#m" x="1"/> </g> </g> <g clip-path="url(#c)"><path id="p" d="M0 0"/></g> </g>
 <clipPath id="c"/></svg>"""


def test_chart_keeps_what_it_draws_and_no_more() -> None:
    assert PANEL_OF_CHART.sub(slim, PANEL) == (
        '<svg viewBox="0 0 9 9"><g transform="scale(2)"><defs><path id="m" d="M0 0"/></defs><use href="#m" x="1"/></g>'
        '<g clip-path="url(#c)"><path d="M0 0"/></g><clipPath id="c"/></svg>'
    )


def test_code_without_a_colour_has_no_element() -> None:
    css = """
    [data-theme="light"] .highlight { background: #fff; color: #111 }
    [data-theme="light"] .highlight .n { color: #111 }
    [data-theme="light"] .highlight .k { color: #222 }
    [data-theme="light"] .highlight .p { color: #111 }
    [data-theme="dark"] .highlight { background: #000; color: #eee }
    [data-theme="dark"] .highlight .n { color: #eee }
    [data-theme="dark"] .highlight .k { color: #ddd }
    [data-theme="dark"] .highlight .p { color: #ccc }"""
    assert plain_tokens(css) == {"n"}


def test_published_code_has_elements_for_colours_alone(article: str) -> None:
    code = " ".join(re.findall(r"<pre>.*?</pre>", article, re.DOTALL))
    assert '<span class="kn">' in code
    assert not re.search(r'<span>|<span class="(?:n|p|w)">', code)


def test_chart_waits_in_the_place_of_its_size(article: str) -> None:
    assert len(re.findall(r'<div style="aspect-ratio: (\d+) / (\d+)"><noscript><svg [^>]*"0 0 \1 \2"', article)) == 2
