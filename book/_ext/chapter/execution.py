"""Execution of the pages: side by side, and again only if something that they use has changed.

jupyter-cache compares a page's cells and kernel only, so an edit of the package would leave old outputs on the page.
Here a page has a cache of its own for every state of the modules it uses, of the data these read, of ``matplotlibrc``
and of the pinned requirements (``dependencies.py``); undoing an edit finds the old outputs again.
"""

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.read import create_nb_reader
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from chapter.dependencies import Package

logger = logging.getLogger(__name__)


@dataclass
class ExecutablePage:
    """A page with cells: its name, its notebook, and the state of what it uses."""

    docname: str
    file: Path
    notebook: NotebookNode
    state: str

    def cache(self, app: Sphinx) -> JupyterCacheAbstract:
        """Return the cache of this page in this state."""
        return get_cache(folder_of_caches(app) / self.docname / self.state)

    def is_executed(self, app: Sphinx) -> bool:
        """Tell whether the cache holds the outputs."""
        try:
            self.cache(app).match_cache_notebook(self.notebook)
        except KeyError:
            return False
        return True


def folder_of_caches(app: Sphinx) -> Path:
    """Return the folder that outlives the site: ``make book`` keeps it."""
    return Path(app.outdir).parent / ".jupyter_cache"


def read_pages(env: BuildEnvironment, docnames: Iterable[str]) -> dict[str, ExecutablePage]:
    """Return the pages with cells among those named."""
    package = Package(Path(env.srcdir))
    pages = {}
    for docname in docnames:
        file = Path(env.doc2path(docname))
        text = file.read_text(encoding="utf-8")
        reader = create_nb_reader(str(file), env.myst_config, env.mystnb_config, text)
        if reader is not None:
            notebook = reader.read(text)
            cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
            pages[docname] = ExecutablePage(docname, file, notebook, package.state_of_page(cells))
    return pages


def find_changed(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Name the pages that must be read again because something that their cells use has changed."""
    before = getattr(env, "chapter_states", {})
    app.chapter_pages = read_pages(env, sorted(env.found_docs))
    env.chapter_states = {docname: page.state for docname, page in app.chapter_pages.items()}
    return [docname for docname, state in env.chapter_states.items() if before.get(docname, state) != state]


def longest_first(pages: Iterable[ExecutablePage], seconds: dict[str, float]) -> list[ExecutablePage]:
    """Sort pages by the time of their last execution; a page never executed comes before, those with most code first."""
    return sorted(
        pages,
        key=lambda page: (
            seconds.get(page.docname, float("inf")),
            sum(len(cell.source) for cell in page.notebook.cells),
        ),
        reverse=True,
    )


def execute_side_by_side(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Execute the pages that the cache does not hold, as many at once as there are processors, the longest first.

    Sphinx reads, and myst-nb executes, one page after another. A page that raises is not cached:
    myst-nb executes it again and reports the error in its own way.
    """
    if env.mystnb_config.execution_mode != "cache":
        return
    waiting = [page for name in docnames if (page := app.chapter_pages.get(name)) and not page.is_executed(app)]
    if len(waiting) < 2:
        return
    logger.info("executing %d pages side by side", len(waiting))
    record = folder_of_caches(app) / "seconds.json"
    seconds = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    timeout = env.mystnb_config.execution_timeout

    def execute(page: ExecutablePage) -> None:
        result = single_nb_execution(page.notebook, cwd=str(page.file.parent), timeout=timeout, allow_errors=False)
        if result.err is None:
            bundle = CacheBundleIn(page.notebook, str(page.file), data={"execution_seconds": result.time})
            page.cache(app).cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            seconds[page.docname] = round(result.time, 1)
            logger.info("executed %s in %.1f s", page.file.name, result.time)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(execute, longest_first(waiting, seconds)))
    record.write_text(json.dumps(seconds, indent=1, sort_keys=True), encoding="utf-8")


def choose_cache(app: Sphinx, docname: str, source: list[str]) -> None:
    """Point myst-nb to the cache of the page that it is about to read."""
    if docname in app.chapter_pages:
        path = folder_of_caches(app) / docname / app.chapter_pages[docname].state
        app.env.mystnb_config = app.env.mystnb_config.copy(execution_cache_path=str(path))


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill the caches before Sphinx reads the pages, and choose one for each page."""
    # The kernels inherit it: glibc keeps freed blocks up to 32 MB instead of paying for page faults at the next step
    # of a training (a third of the time of a small GRU).
    os.environ |= {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
    app.connect("env-get-outdated", find_changed)
    app.connect("env-before-read-docs", execute_side_by_side, priority=600)
    app.connect("source-read", choose_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
