"""Faults of the pages: each is told once, with file, line and cure; a build with a fault fails, however often repeated.

Sphinx reads a page again only when the page has changed. So a page that warned would be skipped by the second run,
which would be green; here such a run forgets what it has read.

A fault may spoil its page: what Sphinx says of that page afterwards, and of labels that stand on it, is only an echo.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from logging import Filter, LogRecord, getLogger
from pathlib import Path
from weakref import WeakKeyDictionary

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from chapter.nearest_names import cure, line_of_name, unknown_name

logger = logging.getLogger(__name__)

OURS = "chapter"
DRAFT = "CHAPTER_DRAFT"  # set by build_page.py: one page, built alone and quickly
LABELS = re.compile(
    r"^\s*(?:\(([\w-]+)\)=|:(?:label|name):\s*([\w-]+)|[`:]{3,}\{(?:moving-)?chart\}\s*([\w-]+)|\$\$ \(([\w-]+)\)"
    r"|@\w+\{\s*([^,\s]+))",
    re.MULTILINE,
)

# What other extensions say of a fault that is told here, better.
TOLD_ELSEWHERE = re.compile(
    r"""duplicate\ (?:label|\w+\ label) | ^duplicate\ .*(?:proof|theorem|exercise)
      | stderr\ was\ found\ in\ the\ cell\ outputs
      | could\ not\ open\ bibtex\ file | toctree\ contains\ reference\ to\ nonexisting\ document
      | unknown\ document:.*etoc | duplicate\ ID | duplicate\ explicit\ target\ name
      | non-consecutive\ header\ level | ^label\ '[^']*'\ not\ found
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass
class Spoilt:
    """Pages whose further warnings are echoes, and the words by which echoes on other pages are known."""

    files: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    lines: set[str] = field(default_factory=set)  # «file:line» of what has been told


SPOILT: WeakKeyDictionary[Sphinx, Spoilt] = WeakKeyDictionary()


def is_spoilt(app: Sphinx, file: Path) -> bool:
    """Tell whether a fault has spoilt the file."""
    return app in SPOILT and str(file) in SPOILT[app].files


def fault(
    app: Sphinx, place: str, line: int, message: str, *, spoils_page: bool = False, gone: Sequence[str] = ()
) -> None:
    """Tell a fault.

    Args:
        app: the application.
        place: name of the page, or path of another file of the book.
        line: counted from 1.
        message: what is wrong; what to write instead.
        gone: words by which echoes of this fault are known.
        spoils_page: whether further warnings about this page, or about what it defines, would be echoes.
    """
    file = Path(place) if Path(place).suffix else Path(app.env.doc2path(place))
    file = Path(app.srcdir, file)
    logger.warning("%s", message, location=f"{file}:{line}", type=OURS)
    told = SPOILT.setdefault(app, Spoilt())
    told.words |= set(gone)
    told.lines.add(f"{file}:{line}")
    if spoils_page:
        spoil(app, file)


def spoil(app: Sphinx, file: Path) -> None:
    """Take what else is said of a file, and of what it defines, for echoes."""
    SPOILT.setdefault(app, Spoilt()).files.add(str(file))
    forgive(app, file)


def forgive(app: Sphinx, file: Path) -> None:
    """Say nothing of references to what a file defines."""
    text = file.read_bytes().decode(errors="replace")
    words = {word for found in LABELS.findall(text) for word in found if word}
    SPOILT.setdefault(app, Spoilt()).words |= {*words, f"book/{file.stem}", f"document {file.stem}"}


class Echoes(Filter):
    """Lets a fault pass and its echoes not."""

    def __init__(self, app: Sphinx) -> None:
        super().__init__()
        self.app = app

    def filter(self, record: LogRecord) -> bool:
        """Tell whether to print the record."""
        if getattr(record, "type", "") == OURS:
            return True
        message = record.getMessage()
        if TOLD_ELSEWHERE.search(message) or ("not in glossary" in message and os.environ.get(DRAFT)):
            return False
        spoilt = SPOILT.get(self.app, Spoilt())
        file, line = self.place_of(record)
        echo = file in spoilt.files or f"{file}:{line}" in spoilt.lines
        words = set(re.findall(r"[\w/-]+", message))
        if "unknown document" in message:
            words |= {f"document {word}" for word in words}
        if echo or spoilt.words & words:
            return False
        if (name := unknown_name(message)) and not hasattr(record, "cured"):
            record.msg, record.args = message + cure(self.app, name), ()
            record.location = f"{file}:{line_of_name(file, line, name)}"
            record.cured = True
        return True

    def place_of(self, record: LogRecord) -> tuple[str, str]:
        """Return the file and the line that the record speaks of."""
        location = getattr(record, "location", None) or ""
        if isinstance(location, nodes.Node):
            location = logging.get_node_location(location) or ""
        if isinstance(location, tuple):
            location = ":".join(str(part or "") for part in location)
        file, _, line = str(location).rpartition(":") if re.search(r":\d*$", str(location)) else (str(location), "", "")
        return (file if Path(file).suffix or not file else self.app.env.doc2path(file)), line


def listen(app: Sphinx) -> None:
    """Put the filter before those that count the warnings."""
    for handler in getLogger(logging.NAMESPACE).handlers:
        if any(isinstance(known, logging.WarningSuppressor) for known in handler.filters):
            handler.filters.insert(0, Echoes(app))


def fail(app: Sphinx, error: Exception | None) -> None:
    """Report failure, and forget which pages were read, if anything was wrong with them."""
    if error or app._warncount:
        app.statuscode = 1
        Path(app.doctreedir, "environment.pickle").unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen from the beginning, and act when everything else is done."""
    app.connect("builder-inited", listen, priority=1)
    app.connect("build-finished", fail, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
