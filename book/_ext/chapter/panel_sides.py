"""Panels of a figure stand side by side on a desk and one below the other on a phone: its caption says where, on both.

«Слева» and «справа» in the caption of a figure with two panels carry the words of a narrow screen with them; the style
sheet chooses.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

SIDES = {"слева": "сверху", "справа": "снизу"}
SIDE = re.compile(r"\b(слева|справа)\b(?! налево| направо)", re.IGNORECASE)
PANELS = 2


def marked(word: str) -> nodes.raw:
    """The word with its twin for narrow screens."""
    narrow = SIDES[word.lower()]
    twin = narrow.capitalize() if word[0].isupper() else narrow
    return nodes.raw("", f'<span class="side" data-narrow="{twin}">{word}</span>', format="html")


def mark_sides(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Mark the words in the captions of a page."""
    if app.builder.format != "html":
        return
    for figure in doctree.findall(nodes.figure):
        if sum(raw.astext().count("<svg ") for raw in figure.findall(nodes.raw)) != PANELS:
            continue
        for caption in figure.findall(nodes.caption):
            for text in list(caption.findall(nodes.Text)):
                parts = SIDE.split(text)
                if len(parts) > 1:
                    words = [marked(part) if index % 2 else nodes.Text(part) for index, part in enumerate(parts)]
                    text.parent.replace(text, words)


def setup(app: Sphinx) -> dict[str, bool]:
    """Act when a page is complete, and before its words are marked for other reasons."""
    app.connect("doctree-resolved", mark_sides, priority=955)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
