"""Mistakes that are seen in the book as a whole: its table of contents, its labels, its bibliography."""

from __future__ import annotations

import re
from pathlib import Path

from pybtex.database.input.bibtex import Parser
from pybtex.exceptions import PybtexError
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from chapter.faults import fault, forgive

CONTENTS = "_toc.yml"
FILE = re.compile(r"^\s*(?:-\s*)?(?:file|root):\s*[\"']?([^\"'#\n]*[^\"'#\s])", re.MULTILINE)
NAME = re.compile(r"[a-z][a-z0-9_]*")
ENTRY = re.compile(r"^@(\w+)\s*\{\s*([^,\s]+)", re.MULTILINE)
EXERCISE_KINDS = ("comment", "string", "preamble")


def is_whole(app: Sphinx) -> bool:
    """Tell whether the whole book is built, and not one page of it."""
    return Path(app.srcdir, str(app.config.external_toc_path)) == Path(app.srcdir, CONTENTS)


def forgive_absent_pages(app: Sphinx) -> None:
    """If one page is built alone, references to the others are no faults of it."""
    if not is_whole(app):
        for file in Path(app.srcdir, "book").glob("*.md"):
            forgive(app, file)


def line_at(text: str, position: int) -> int:
    """The line of a position in a text."""
    return text.count("\n", 0, position) + 1


def check_contents(app: Sphinx) -> None:
    """Every page is in the table of contents once, and everything there is a page."""
    if not is_whole(app):
        return
    text = Path(app.srcdir, CONTENTS).read_text(encoding="utf-8")
    named: dict[str, int] = {}
    for found in FILE.finditer(text):
        name, line = found[1].removesuffix(".md"), line_at(text, found.start(1))
        if name in named:
            fault(app, CONTENTS, line, f"{name} again, first in line {named[name]}; take one of them away")
        elif not Path(app.srcdir, f"{name}.md").exists():
            fault(
                app, CONTENTS, line, f"there is no file {name}.md; correct the name, or take the line away", gone=[name]
            )
        named.setdefault(name, line)
    for file in sorted(Path(app.srcdir, "book").glob("*.md")):
        if not NAME.fullmatch(file.stem):
            fault(
                app, f"book/{file.name}", 1, "the page shares its name with Python modules; write it with a–z, 0–9, _"
            )
        elif (name := f"book/{file.stem}") not in named:
            fault(app, f"{name}.md", 1, f"the page is not in {CONTENTS}; add «- file: {name}» there")


def check_labels(app: Sphinx, env: BuildEnvironment) -> None:
    """A label stands at one place of the book."""
    first: dict[str, tuple[str, int]] = {}
    for docname in sorted(env.found_docs):
        previous = ("", 0)
        for label, line in env.chapter_words.get(docname, {}).get("labels", []):  # type: ignore[attr-defined]
            same_thing = previous[0] == label and line - previous[1] <= 2  # (label)= above the directive
            previous = (label, line)
            if label in first and not same_thing:
                place = "line" if first[label][0] == docname else f"{first[label][0]}.md, line"
                fault(app, docname, line, f"the label {label} again, first in {place} {first[label][1]}; write another")
            first.setdefault(label, (docname, line))


def check_theorems(app: Sphinx, env: BuildEnvironment) -> None:
    """A reference to a theorem leads to one."""
    words = env.chapter_words  # type: ignore[attr-defined]
    labels = {label for docname in env.found_docs for label, _ in words.get(docname, {}).get("labels", [])}
    for docname in sorted(env.found_docs):
        for text, line in words.get(docname, {}).get("theorems", []):
            label = text.rpartition("<")[2].rstrip(">").strip()
            if label not in labels and is_whole(app):
                fault(app, docname, line, f"there is no theorem {label}; correct the label, or write it under :label:")


def check_bibliography(app: Sphinx) -> None:
    """The bibliography can be read."""
    for name in list(app.config.bibtex_bibfiles):
        text = Path(app.srcdir, name).read_text(encoding="utf-8")
        try:
            Parser().parse_string(text)
        except PybtexError as error:
            line = getattr(error, "lineno", None) or 1
            message = str(error).partition(": ")[2] or str(error)
            fault(app, name, line, f"the entry cannot be read: {message}; mend it", spoils_page=True)
            app.config.bibtex_bibfiles.remove(name)


def check_citations(app: Sphinx, env: BuildEnvironment) -> None:
    """Every entry of the bibliography is cited."""
    if not is_whole(app):
        return
    pages = env.chapter_words.values()  # type: ignore[attr-defined]
    cited = {key for page in pages for key in page["cited"]}
    for name in app.config.bibtex_bibfiles:
        text = Path(app.srcdir, name).read_text(encoding="utf-8")
        for found in ENTRY.finditer(text):
            if found[1].lower() not in EXERCISE_KINDS and found[2] not in cited:
                line = line_at(text, found.start())
                fault(app, name, line, f"nobody cites {found[2]}; cite it with {{cite}}`{found[2]}`, or take it away")


def check_book(app: Sphinx) -> None:
    """What can be seen before any page is read."""
    forgive_absent_pages(app)
    check_contents(app)
    check_bibliography(app)


def check_pages(app: Sphinx, env: BuildEnvironment) -> None:
    """What can be seen when all pages are read."""
    check_labels(app, env)
    check_theorems(app, env)
    check_citations(app, env)


def setup(app: Sphinx) -> dict[str, bool]:
    """Look before the pages are read and after."""
    app.connect("builder-inited", check_book, priority=100)
    app.connect("env-check-consistency", check_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
