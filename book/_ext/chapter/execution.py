"""Execution of the pages: side by side, and again only if something that they use has changed.

jupyter-cache compares a page's cells and kernel only, so an edit of the package would leave old outputs on the page.
Here a page has a cache of its own for every state of the modules it uses, of the data these read, of ``matplotlibrc``
and of the pinned requirements (``dependencies.py``); undoing an edit finds the old outputs again.

A page that fails is not cached; its fault is told once, with the line of the cell.
"""

import json
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from weakref import WeakKeyDictionary

import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.utils import Timer
from myst_nb.core.read import MystMetadataParsingError, create_nb_reader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.validator import NotebookValidationError
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from chapter.dependencies import Package
from chapter.faults import DRAFT, fault, is_spoilt
from gradflow.exercises._channels import without_ports

logger = logging.getLogger(__name__)

GUARD = "kernel_guard"
DRAFT_SECONDS = 30
USUAL_SECONDS = Path(__file__).with_name("usual_seconds.json")
"""What pages take, by ``code/benchmarks/experiments.py``, for a folder without a record; only their order matters."""
UNREADABLE = (
    UnicodeDecodeError,
    MystMetadataParsingError,
    NotebookValidationError,
    yaml.YAMLError,
)  # source_faults.py says what is wrong


@dataclass
class ExecutablePage:
    """A page with cells: its name, its notebook, and the state of what it uses."""

    docname: str
    file: Path
    notebook: NotebookNode
    state: str

    def cache(self, app: Sphinx) -> JupyterCacheAbstract:
        """Return the cache of this page in this state."""
        return get_cache(self.folder_of_cache(app))

    def folder_of_cache(self, app: Sphinx) -> Path:
        """Return where that cache lies."""
        return folder_of_caches(app) / self.docname / self.state

    def is_executed(self, app: Sphinx) -> bool:
        """Tell whether the cache holds the outputs."""
        try:
            self.cache(app).match_cache_notebook(self.notebook)
        except KeyError:
            return False
        return True

    def line_of_cell(self, index: int, line: int = 1) -> int:
        """Return the line of the page on which a line of its cell number ``index`` stands."""
        fence = int(self.notebook.metadata["source_map"][index])
        text = self.notebook.cells[index].source.splitlines()
        lines = self.file.read_text(encoding="utf-8").splitlines()
        first = next((n for n in range(fence, len(lines)) if text and lines[n] == text[0]), fence)
        return first + line


PAGES: WeakKeyDictionary[Sphinx, dict[str, ExecutablePage]] = WeakKeyDictionary()


def folder_of_caches(app: Sphinx) -> Path:
    """Return the folder that outlives the site: ``make book`` keeps it, and ``make page`` shares it."""
    return Path(app.srcdir) / "_build" / ".jupyter_cache"


def read_pages(env: BuildEnvironment, docnames: Iterable[str]) -> dict[str, ExecutablePage]:
    """Return the pages with cells among those named."""
    package = Package(Path(env.srcdir))
    pages = {}
    for docname in docnames:
        file = Path(env.doc2path(docname))
        try:
            text = file.read_text(encoding="utf-8")
            reader = create_nb_reader(str(file), env.myst_config, env.mystnb_config, text)  # type: ignore[attr-defined]
            notebook = reader and reader.read(text)
        except UNREADABLE:
            continue
        if notebook is not None:
            cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
            pages[docname] = ExecutablePage(docname, file, notebook, package.state_of_page(cells))
    return pages


def find_changed(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Name the pages that must be read again because something that their cells use has changed."""
    before = getattr(env, "chapter_states", {})
    PAGES[app] = read_pages(env, sorted(env.found_docs))
    states = {docname: page.state for docname, page in PAGES[app].items()}
    env.chapter_states = states  # type: ignore[attr-defined]
    return [docname for docname, state in states.items() if before.get(docname, state) != state]


def longest_first(pages: Iterable[ExecutablePage], seconds: dict[str, float]) -> list[ExecutablePage]:
    """Sort pages by what they are known to take; those of which nothing is known come first, most code before less."""
    return sorted(
        pages,
        key=lambda page: (
            seconds.get(page.docname, float("inf")),
            sum(len(cell.source) for cell in page.notebook.cells),
        ),
        reverse=True,
    )


def execute_side_by_side(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Execute the pages that the cache does not hold, as many at once as there are processors, the longest first."""
    if env.mystnb_config.execution_mode != "cache":  # type: ignore[attr-defined]
        return
    pages = [PAGES[app][name] for name in docnames if name in PAGES[app]]
    waiting = [page for page in pages if not is_spoilt(app, page.file) and not page.is_executed(app)]
    if not waiting:
        return
    logger.info("executing %d pages", len(waiting))
    record = folder_of_caches(app) / "seconds.json"
    seconds = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    usual = json.loads(USUAL_SECONDS.read_text(encoding="utf-8"))

    def execute(page: ExecutablePage) -> tuple[ExecutablePage, list[tuple[int, str]]]:
        with Timer() as timer:
            found = execute_page(page, env)
        if not found:
            bundle = CacheBundleIn(page.notebook, str(page.file), data={"execution_seconds": timer.last_split})
            page.cache(app).cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            seconds[page.docname] = round(timer.last_split, 1)
            logger.info("executed %s in %.1f s", page.file.name, timer.last_split)
        return page, found

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(execute, longest_first(waiting, usual | seconds)))
    record.write_text(json.dumps(seconds, indent=1, sort_keys=True), encoding="utf-8")
    for page, found in results:
        for line, message in found:
            fault(app, page.docname, line, message, spoils_page=True)


def execute_page(page: ExecutablePage, env: BuildEnvironment) -> list[tuple[int, str]]:
    """Execute a page under guard, far from the book; return the lines and the faults of its cells."""
    extensions = Path(__file__).parents[1]
    running = [0]
    found: list[tuple[int, str]] = []
    with TemporaryDirectory() as folder:
        place, notes = Path(folder, "page"), Path(folder, "notes")
        place.mkdir()
        environment = {
            **os.environ,
            "PYTHONHASHSEED": "0",  # sets are printed in the same order by every build
            "GUARD_NOTES": str(notes),
            "GUARD_BOOK": str(Path(env.srcdir, "book").resolve()),
            "MATPLOTLIBRC": str(Path(env.srcdir, "book", "matplotlibrc")),
            "PYTHONPATH": os.pathsep.join([str(extensions), *filter(None, [os.environ.get("PYTHONPATH")])]),
            # glibc keeps freed blocks up to 32 MB instead of paying for page faults at the next step of a training
            # (a third of the time of a small GRU).
            "MALLOC_TRIM_THRESHOLD_": str(2**30),
            "MALLOC_MMAP_THRESHOLD_": str(2**25),
        }
        standard = DRAFT_SECONDS if os.environ.get(DRAFT) else env.mystnb_config.execution_timeout  # type: ignore[attr-defined]
        client = NotebookClient(
            page.notebook,
            timeout=page.notebook.metadata.get("mystnb", {}).get("execution_timeout", standard),
            resources={"metadata": {"path": str(place)}},
            config=without_ports(folder),
            record_timing=False,  # it would stand in the cells, and the cache would not know them
            # at WARN each kernel would say that its connection, which no other machine sees, is not encrypted
            extra_arguments=[f"--IPKernelApp.extra_extensions={GUARD}", "--IPKernelApp.log_level=ERROR"],
            on_cell_start=lambda cell, cell_index: running.__setitem__(0, cell_index),
        )
        try:
            client.execute(env=environment)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            found.append(tell_failure(page, running[0], error, client.timeout))
        noted = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()] if notes.exists() else []
    run = [i for i, cell in enumerate(page.notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    return [(page.line_of_cell(run[number]), f"the cell {text}") for number, text in noted] or found


def tell_failure(page: ExecutablePage, index: int, error: Exception, timeout: int | None) -> tuple[int, str]:
    """Return the line of a failure and its message."""
    if isinstance(error, CellExecutionError):
        if error.ename in {None, "NoneType"}:  # the cell has ended well, and its result cannot be shown
            return page.line_of_cell(index), "the output raises while it is displayed; mend its _repr_ method"
        frames = re.findall(r"Cell In\[\d+\], line (\d+)", re.sub(r"\x1b\[[\d;]*m", "", error.traceback))
        line = page.line_of_cell(index, int(frames[0]) if frames else 1)
        return line, f"the cell raises {error.ename}: {error.evalue}; run it in a notebook to see the traceback"
    line = page.line_of_cell(index)
    if isinstance(error, CellTimeoutError):
        return line, f"the cell does not end within {timeout} s; does a loop never stop? compute less, or record it"
    return line, "the kernel died in this cell; it used too much memory or ended the process"


def choose_cache(app: Sphinx, docname: str, source: list[str]) -> None:
    """Point myst-nb to the cache of the page that it is about to read."""
    if page := PAGES[app].get(docname):
        config = app.env.mystnb_config  # type: ignore[attr-defined]
        path = str(page.folder_of_cache(app))
        app.env.mystnb_config = config.copy(execution_cache_path=path)  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill the caches before Sphinx reads the pages, and choose one for each page."""
    app.connect("env-get-outdated", find_changed)
    app.connect("env-before-read-docs", execute_side_by_side, priority=600)
    app.connect("source-read", choose_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
