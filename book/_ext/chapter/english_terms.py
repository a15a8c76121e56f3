"""English terms in brackets after Russian ones are marked as English, so that a screen reader pronounces them."""

import re
from html import escape

from docutils import nodes
from sphinx.application import Sphinx

TERM = re.compile(r"(?<=\()[A-Za-z][A-Za-z'’-]{2,}(?: [A-Za-z'’-]+)*(?=[),])")


def mark(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Mark the terms of a page."""
    if app.builder.format != "html":
        return
    for text in list(doctree.findall(nodes.Text)):
        within = text.parent
        if not TERM.search(text) or not isinstance(
            within, (nodes.paragraph, nodes.emphasis, nodes.term, nodes.caption)
        ):
            continue
        parts: list[nodes.Node] = []
        done = 0
        for found in TERM.finditer(text):
            parts += [nodes.Text(text[done : found.start()])]
            parts += [nodes.raw("", f'<span lang="en">{escape(found[0])}</span>', format="html")]
            done = found.end()
        within.replace(text, [*parts, nodes.Text(text[done:])])


def setup(app: Sphinx) -> dict[str, bool]:
    """Act when a page is complete."""
    app.connect("doctree-resolved", mark, priority=960)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
