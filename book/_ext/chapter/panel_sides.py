"""Panels of a figure stand side by side on a desk and one below the other on a phone: the text says where, on both.

«Слева» and «справа» in the caption of a figure with two panels, and in the paragraphs that speak of it, carry the words
of a narrow screen with them; the style sheet chooses.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

SIDES = {
    "слева": "сверху",
    "справа": "снизу",
    "левой половине": "верхней половине",
    "правой половине": "нижней половине",
}
SIDE = re.compile(rf"\b({'|'.join(SIDES)})\b(?! налево| направо)", re.IGNORECASE)
OF_A_FIGURE = re.compile(r"\b(?:Слева|Справа)\b|\b(?:рисунке|рисунка)\b")
PANELS = 2


def marked(word: str) -> nodes.raw:
    """The word with its twin for narrow screens."""
    narrow = SIDES[word.lower()]
    twin = narrow.capitalize() if word[0].isupper() else narrow
    return nodes.raw("", f'<span class="side" data-narrow="{twin}">{word}</span>', format="html")


def mark(block: nodes.Element) -> None:
    """Mark the words of a caption or a paragraph."""
    for text in list(block.findall(nodes.Text)):
        parts = SIDE.split(text)
        if len(parts) > 1 and not isinstance(text.parent, nodes.math | nodes.literal):
            words = [marked(part) if index % 2 else nodes.Text(part) for index, part in enumerate(parts)]
            text.parent.replace(text, words)


def speaks_of(paragraph: nodes.paragraph, names: set[str]) -> bool:
    """Tell whether a paragraph refers to one of the figures, or begins a sentence with a side of one that is near."""
    if any(reference.get("refid") in names for reference in paragraph.findall(nodes.reference)):
        return True
    near = {name for figure in paragraph.parent.children if isinstance(figure, nodes.figure) for name in figure["ids"]}
    return bool(near & names and OF_A_FIGURE.search(paragraph.astext()))


def mark_sides(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Mark the words of a page."""
    if app.builder.format != "html":
        return
    figures = [
        figure
        for figure in doctree.findall(nodes.figure)
        if sum(raw.astext().count("<svg ") for raw in figure.findall(nodes.raw)) == PANELS
    ]
    names = {name for figure in figures for name in figure["ids"]}
    for paragraph in list(doctree.findall(nodes.paragraph)):
        if speaks_of(paragraph, names):
            mark(paragraph)
    for figure in figures:
        for caption in list(figure.findall(nodes.caption)):
            mark(caption)


def setup(app: Sphinx) -> dict[str, bool]:
    """Act when a page is complete, and before its words are marked for other reasons."""
    app.connect("doctree-resolved", mark_sides, priority=955)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
