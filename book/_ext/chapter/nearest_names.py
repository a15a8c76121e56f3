"""Names that nobody knows: the message of Sphinx gets the line on which the name stands, and the nearest known name."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from docutils.parsers.rst import directives, roles
from sphinx.application import Sphinx

UNKNOWN = re.compile(
    r"""(?:target\ not\ found|not\ in\ glossary|undefined\ label|find\ bibtex\ key|unknown\ document|directive\ type
         |text\ role|equation\ not\ found|file\ not\ readable):?\s*(?:(['"])(.+?)\1|(\S+))""",
    re.VERBOSE | re.IGNORECASE,
)
KEY = re.compile(r"^@\w+\{\s*([^,\s]+)", re.MULTILINE)
CUTOFF = 0.75


def unknown_name(message: str) -> str:
    """Return the name of which a message says that nobody knows it, or nothing."""
    found = UNKNOWN.search(message)
    return found[2] or found[3] if found else ""


def cure(app: Sphinx, name: str) -> str:
    """Say what to write instead of a name."""
    known = known_names(app)
    if name in known:
        return "; it names a thing of another kind, take another role"
    close = get_close_matches(name, sorted(known), 1, CUTOFF)
    return f"; write {close[0]}" if close else "; correct the name"


def known_names(app: Sphinx) -> set[str]:
    """Return all names that a page may use: labels, terms, works, pages, pictures, directives, roles."""
    words = getattr(app.env, "chapter_words", {})
    names = {label for page in words.values() for label, _ in page["labels"]}
    names |= {term for kind, term in app.env.domains["std"].data.get("objects", {}) if kind == "term"}
    names |= {
        key for name in app.config.bibtex_bibfiles for key in KEY.findall(Path(app.srcdir, name).read_text("utf-8"))
    }
    names |= {name.rpartition("/")[2] for name in app.env.found_docs}
    names |= {f"book/_static/{file.name}" for file in Path(app.srcdir, "book", "_static").iterdir()}
    for domain in app.env.domains.values():
        prefix = "" if domain.name in {"std", "py"} else f"{domain.name}:"
        names |= {prefix + name for name in [*domain.directives, *domain.roles]}
    return names | set(directives._directives) | set(directives._directive_registry) | set(roles._roles)


def line_of_name(file: str, line: str, name: str) -> int:
    """Return the line on which a name stands, from the line on where its paragraph begins."""
    first = int(line or 1)
    if Path(file).is_file():
        text = "".join(Path(file).read_text(encoding="utf-8").splitlines(keepends=True)[first - 1 :])
        first += text.count("\n", 0, max(text.find(name), 0))
    return first
