"""The built site: small, Russian, with a runnable notebook for each executed page."""

import re
from pathlib import Path

import nbformat
import pytest

from bookmaker import ROOT, SITE, pages

LIMIT = 20_000_000  # bytes
CELL = re.compile(r"^(`{3,}|~{3,}|:{3,})\{code-cell\}", re.MULTILINE)


def executed_pages() -> list[str]:
    """Return the names of the pages that hold cells."""
    sources = [ROOT / Path(page).with_suffix(".md") for page in pages()]
    return [source.stem for source in sources if source.exists() and CELL.search(source.read_text(encoding="utf-8"))]


def test_site_is_small() -> None:
    assert sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file() and file.suffix != ".pdf") < LIMIT


@pytest.mark.parametrize("page", pages())
def test_page_says_that_it_is_russian(page: str) -> None:
    assert '<html lang="ru"' in (SITE / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [page for page in pages() if page.startswith("book/")])
def test_page_describes_itself(page: str) -> None:
    head = (SITE / page).read_text(encoding="utf-8").split("</head>")[0]
    described = re.search(r'<meta name="description" content="([^"]+)"', head)
    assert described is not None and 40 < len(described[1]) < 260
    assert re.search(r'<link rel="icon" href="[^"]+"', head)
    assert (SITE / "_images" / Path(page).with_suffix(".png").name).exists()


def test_root_leads_to_the_first_page() -> None:
    found = re.search(r'url=([^"]+)"', (SITE / "index.html").read_text(encoding="utf-8"))
    assert found is not None
    assert (SITE / found[1]).exists()


@pytest.mark.parametrize("page", executed_pages())
def test_page_offers_its_executed_notebook(page: str) -> None:
    assert f'href="../_sources/book/{page}-page.ipynb"' in (SITE / "book" / f"{page}.html").read_text(encoding="utf-8")
    notebook = nbformat.read(SITE / "_sources" / "book" / f"{page}-page.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) == 1 + len(CELL.findall((ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")))
    assert any(cell.outputs for cell in cells)
    assert "gradflow" in cells[0].source and not any("myst_nb" in cell.source for cell in cells)
