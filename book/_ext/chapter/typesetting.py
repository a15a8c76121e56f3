"""Typesets formulas with MathJax in V8, and remembers them: a formula is set once, however often the book is built.

Formulas lie in one file beside the output of the book, so that they outlive an empty output folder. The file is named
by a hash of everything that sets them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from py_mini_racer import MiniRacer

ENGINE = Path(__file__).with_name("formulas.js")
MATHJAX = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"  # type: ignore[union-attr, arg-type]
FONTS = MATHJAX / "output" / "chtml" / "fonts" / "woff-v2"
FILES = [
    "loader.js",
    "core.js",
    "adaptors/liteDOM.js",
    "input/tex-full.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
]
BEFORE = "var MathJax = {startup: {ready() {}}, loader: {load: []}};"
STYLE_SHEET = "style sheet"


class Typeset(TypedDict, total=False):
    """A formula as HTML and as MathML, the width of its longest unbreakable piece in em; or what is wrong with it."""

    html: str
    mathml: str
    width: float
    error: str


class Formulas:
    """All formulas that were ever typeset for a book."""

    def __init__(self, folder: Path) -> None:
        """Read what the last build has left in the folder."""
        self._file = folder / f"{state()}.json"
        self._known: dict[str, Typeset] = {}
        self.style_sheet = ""
        if self._file.exists():
            self._known = json.loads(self._file.read_text(encoding="utf-8"))
            self.style_sheet = self._known.pop(STYLE_SHEET)["html"]
        self._saved = len(self._known)

    def add(self, formulas: Iterable[tuple[str, bool]]) -> int:
        """Typeset the formulas (TeX; does it stand on a line of its own) that are not known; return their number."""
        missing = [one for one in dict.fromkeys(formulas) if key(*one) not in self._known]
        if missing or not self.style_sheet:
            # V8's threads outlive an engine that is not closed, and hold the process when it should end.
            with MiniRacer() as engine:
                for code in (BEFORE, *((MATHJAX / name).read_text(encoding="utf-8") for name in FILES)):
                    engine.eval(code)
                engine.eval(ENGINE.read_text(encoding="utf-8"))
                for tex, display in missing:
                    self._known[key(tex, display)] = slim(json.loads(str(engine.call("typeset", tex, display))))
                self.style_sheet = str(engine.call("styleSheet"))
        return len(missing)

    def get(self, tex: str, display: bool) -> Typeset:
        """Return a formula, or what is wrong with it."""
        self.add([(tex, display)])
        return self._known[key(tex, display)]

    def save(self) -> None:
        """Leave the formulas to the next build, those with an error excepted."""
        if len(self._known) == self._saved:
            return
        whole = {name: one for name, one in sorted(self._known.items()) if "error" not in one}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps({**whole, STYLE_SHEET: {"html": self.style_sheet}}), encoding="utf-8")
        draft.replace(self._file)


def key(tex: str, display: bool) -> str:
    """The name under which a formula is remembered."""
    return f"{'display' if display else 'inline'}: {tex}"


def slim(formula: Typeset) -> Typeset:
    """Leave out what neither a browser nor a screen reader needs."""
    if "error" in formula:
        return formula
    html = re.sub(r' style="margin-left: 0; margin-right: 0;"', "", formula["html"]).replace(
        'class=" MJX-TEX"', 'class="MJX-TEX"'
    )
    mathml = re.sub(r"\n\s*|<!--.*?-->", "", formula["mathml"])
    mathml = re.sub(r' (?:xmlns|data-mjx-\w+)="[^"]*"', "", mathml)
    mathml = re.sub(r"&#x([0-9A-F]+);", lambda match: chr(int(match[1], 16)), mathml)
    return {"html": html, "mathml": mathml, "width": round(formula["width"], 2)}


def state() -> str:
    """Return a short hash of everything that sets formulas."""
    digest = hashlib.sha256(BEFORE.encode())
    for file in [Path(__file__), ENGINE, *(MATHJAX / name for name in FILES)]:
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
