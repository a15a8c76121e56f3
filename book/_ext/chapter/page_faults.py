"""Looks for the faults of each page before it is executed and read, and of its outputs afterwards."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from weakref import WeakKeyDictionary

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from chapter import cell_faults, output_faults, prose_faults, source_faults
from chapter.execution import PAGES
from chapter.faults import DRAFT, fault, is_spoilt, spoil
from chapter.myst_source import Source, make_parser
from gradflow.exercises import _registry
from gradflow.exercises._quiz import ChoiceCheck, NumberCheck

STUB = """# {title}

Страница не собрана: что в ней не так, сказано в сообщениях сборки.
"""

SOURCES: WeakKeyDictionary[Sphinx, dict[str, Source]] = WeakKeyDictionary()


def read_sources(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Look at the source of the pages that are about to be read."""
    parser = make_parser(app)
    SOURCES[app] = {}
    known = getattr(env, "chapter_words", {})
    for docname in docnames:
        file = Path(env.doc2path(docname))
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            line = file.read_bytes()[: error.start].count(b"\n") + 1
            fault(app, docname, line, "the page is not UTF-8 here; save it as UTF-8", spoils_page=True)
            continue
        source = SOURCES[app][docname] = Source(text, parser)
        for line, message in source_faults.spoils(source):
            fault(app, docname, line, message, spoils_page=True)
        if is_spoilt(app, file) or not load_checks(app, docname, file.stem):
            continue
        dotted = prose_faults.dotted_words(file.parent)
        rules = (source_faults.find(source), prose_faults.find(source, dotted), faults_of_checks(source, file.stem))
        found = dict(reversed([one for faults in rules for one in faults]))  # one for a line
        for line, message in sorted(found.items()):
            fault(app, docname, line, message)
        page = PAGES[app].get(docname)
        if found and not os.environ.get(DRAFT) and page is not None and not page.is_executed(app):
            spoil(app, file)  # it is executed when its source is mended
        cited = [
            key.strip()
            for piece in source.pieces
            if piece.kind.startswith("role cite")
            for key in piece.text.split(",")
        ]
        theorems = [(piece.text, piece.line) for piece in source_faults.roles(source, "prf:ref")]
        known[docname] = {"labels": source.labels, "cited": cited, "theorems": theorems}
    env.chapter_words = known  # type: ignore[attr-defined]


def load_checks(app: Sphinx, docname: str, page: str) -> bool:
    """Import the checks of a page; an error in their module spoils the page."""
    if page not in _registry.page_names():
        return True
    try:
        _registry.checks_of(page)
    except Exception as error:  # whatever an author's module raises
        file = Path(_registry.__file__).with_name(f"{page}.py")
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
        line = frames[-1].lineno if frames else getattr(error, "lineno", None)
        fault(app, str(file), line or 1, f"the checks of the page raise {type(error).__name__}: {error}; mend them")
        spoil(app, Path(app.env.doc2path(docname)))
        return False
    return True


def faults_of_checks(source: Source, page: str) -> Iterator[source_faults.Fault]:
    """Exercises without a check, fields and solutions with the name of another or of none."""
    registered = {check.name: check for check in _registry.checks_of(page)} if page in _registry.page_names() else {}
    for exercise in [block for block in source.blocks if block.name == "exercise"]:
        for name, line in source_faults.checks_of(exercise, source).items():
            if name not in registered:
                where = f"code/gradflow/exercises/{page}.py"
                yield (
                    line,
                    f"the exercise {exercise.options.get('label')} has no check «{name}»; register it in {where}",
                )
    for block in source.blocks:
        if block.name == "quiz" and not isinstance(registered.get(block.argument), NumberCheck | ChoiceCheck | None):
            yield block.line, f"the check «{block.argument}» takes a function; a field needs a number or a choice"
    for cell in source.cells:
        for call in cell_faults.calls(cell, "check"):
            name = cell_faults.text_of(call)
            if _registry.find(name.removeprefix("ex-")) is None:
                close = get_close_matches(name, registered, 1)
                line = cell.content_line + call.lineno - 1
                yield line, f"no check is named «{name}»; {f'write «{close[0]}»' if close else 'register it'}"


def look_at_outputs(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Look at what the cells of the pages show."""
    for docname in docnames:
        page, source = PAGES[app].get(docname), SOURCES[app].get(docname)
        if page is None or source is None or is_spoilt(app, page.file) or not page.is_executed(app):
            continue
        _, notebook = page.cache(app).merge_match_into_notebook(page.notebook)
        for line, message in output_faults.find(page, notebook, source):
            fault(app, docname, line, message, spoils_page=True)  # a large output would take minutes to print


def show_stub(app: Sphinx, docname: str, text: list[str]) -> None:
    """Let Sphinx read only the title of a page that is spoilt."""
    if is_spoilt(app, Path(app.env.doc2path(docname))):
        source = SOURCES[app].get(docname)
        text[0] = STUB.format(title=source.headings[0].text if source and source.headings else docname)


def setup(app: Sphinx) -> dict[str, bool]:
    """Look at the sources before the cells are executed, at the outputs after that."""
    app.connect("env-before-read-docs", read_sources, priority=550)
    app.connect("env-before-read-docs", look_at_outputs, priority=650)
    app.connect("source-read", show_stub, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
