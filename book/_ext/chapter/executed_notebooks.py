"""The executed notebook of each page in the theme's download menu, in plain Markdown; its first cell installs."""

import re
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from myst_nb.sphinx_ext import OUTPUT_FOLDER
from nbformat.v4 import new_code_cell
from sphinx.application import Sphinx

from chapter.execution import PAGES
from chapter.first_cell import first_cell
from chapter.notebook_markdown import glued_values, page_markdown
from chapter.student_notebooks import numbers_of, resolver
from gradflow.book.gluing import PREFIX

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SUFFIX = "-page"  # the sheet to fill in bears the plain name
_GLUE = re.compile(r"^from myst_nb import glue$", re.MULTILINE)


def join_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join pieces of one text: where the kernel cut it depends on the clock."""
    joined: list[nbformat.NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream" and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def offer_notebook(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Put the page's notebook with its outputs beside the page's source, and tell the theme its name.

    What myst-nb writes has no outputs if they came from the cache, so they are taken from there.
    """
    executed = Path(app.outdir).parent / OUTPUT_FOLDER / f"{page}.ipynb"
    source = PAGES[app].get(page)
    if doctree is None or source is None or not source.is_executed(app) or not executed.exists():
        return
    cache = source.cache(app)
    _, notebook = cache.merge_match_into_notebook(nbformat.read(executed, as_version=4))
    notebook.metadata = nbformat.NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    make_plain(notebook, app)
    target = Path(app.outdir, "_sources", f"{page}{SUFFIX}.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    context["ipynb_source"] = f"{page}{SUFFIX}.ipynb"


def make_plain(notebook: nbformat.NotebookNode, app: Sphinx) -> None:
    """Let the notebook be read and run without the book: no MyST, no ``myst_nb``, no outputs for the book alone."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    glued = glued_values([output for cell in code for output in cell.outputs])
    resolve, numbers = resolver(app.env), numbers_of(app.env)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times
        if cell.cell_type == "markdown":
            cell.source = page_markdown(cell.source, resolve, numbers, glued)
        elif cell.cell_type == "code":
            cell.source = _GLUE.sub("from gradflow.book import glue", cell.source)
            cell.outputs = [output for output in join_streams(cell.outputs) if not _is_for_the_book(output)]
    notebook.cells = [new_code_cell(first_cell()), *(cell for cell in notebook.cells if cell.source.strip())]
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"  # random otherwise


def _is_for_the_book(output: nbformat.NotebookNode) -> bool:
    """Whether an output is a glued value that no notebook shows."""
    forms = output.get("data", {})
    return bool(forms) and all(form.startswith(PREFIX) for form in forms)


def setup(app: Sphinx) -> dict[str, bool]:
    """Act before the theme builds its menu."""
    app.connect("html-page-context", offer_notebook, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
