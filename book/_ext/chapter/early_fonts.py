"""Each page asks for its fonts before its first line is drawn.

A browser loads a font when it lays out the first letter that needs it, draws the text without it, and lays everything
out anew when it comes. The fonts lie in the style sheets: a page that names them in its head draws its formulas once.
"""

from __future__ import annotations

import json
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

ICONS = '900 1em "Font Awesome 6 Free"'
SIGNS = ("MJXZERO", "MJXTEX")  # every formula needs them
VARIANT = re.compile(r"\bTEX-[A-Z0-9]+\b")
SCRIPT = "for (const font of {}) document.fonts.load(font);"


def fonts_of(body: str) -> list[str]:
    """Return the fonts that the icons and the formulas of a page need, as CSS writes them."""
    variants = sorted({f"MJX{name}" for name in VARIANT.findall(body)})
    families = [*SIGNS, *variants] if "<mjx-container" in body else []
    return [ICONS, *(f"1em {family}" for family in families)]


def ask(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Add the script that asks for the fonts of this page."""
    app.add_js_file(None, body=SCRIPT.format(json.dumps(fonts_of(context.get("body", "")))))


def setup(app: Sphinx) -> dict[str, bool]:
    """Ask when the body of a page is written."""
    app.connect("html-page-context", ask)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
