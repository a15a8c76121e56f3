"""The executed notebook of each page in the theme's download menu."""

from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from myst_nb.sphinx_ext import OUTPUT_FOLDER
from sphinx.application import Sphinx

from chapter.execution import PAGES

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


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
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"  # random otherwise
        cell.metadata.pop("execution", None)  # times
        if cell.cell_type == "code":
            cell.outputs = join_streams(cell.outputs)
    target = Path(app.outdir, "_sources", f"{page}.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    context["ipynb_source"] = f"{page}.ipynb"


def setup(app: Sphinx) -> dict[str, bool]:
    """Act before the theme builds its menu."""
    app.connect("html-page-context", offer_notebook, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
