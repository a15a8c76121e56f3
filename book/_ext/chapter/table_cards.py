"""A table of words that is too wide for a phone is read there as a stack of cards, one for each row.

Each cell is given the heading of its column; the style sheet shows it on narrow screens alone. Tables of numbers stay
tables: whoever compares numbers scrolls.
"""

from itertools import zip_longest

from docutils import nodes
from sphinx.application import Sphinx

PHONE = 36  # letters across a phone
PADDING = 2  # letters that the borders of a cell take
WORDS = 14  # a cell with more letters is no number


def columns(rows: list[nodes.row]) -> list[list[nodes.entry]]:
    """Return the cells of the rows, column by column."""
    return [[cell for cell in column if cell is not None] for column in zip_longest(*(row.children for row in rows))]


def too_wide(table: nodes.table) -> bool:
    """Tell whether the longest words of the columns do not fit side by side, or each column would be one word wide."""
    rows = list(table.findall(nodes.row))
    longest = [
        max((len(word) for cell in column for word in cell.astext().split()), default=0) for column in columns(rows)
    ]
    return sum(longest) + PADDING * len(longest) > PHONE or len(longest) > 3


def wordy(table: nodes.table) -> bool:
    """Tell whether a column other than the first holds words."""
    bodies = [row for body in table.findall(nodes.tbody) for row in body.findall(nodes.row)]
    return any(len(cell.astext()) > WORDS for column in columns(bodies)[1:] for cell in column)


def label(cell: nodes.entry, heading: nodes.entry) -> None:
    """Put the heading of its column before what a cell holds."""
    words = nodes.inline("", "", classes=["card-label"])
    for paragraph in heading.findall(nodes.paragraph):
        words += [child.deepcopy() for child in paragraph.children]
    words += nodes.Text(": ")
    first = next(iter(cell.findall(nodes.paragraph)), None)
    if first is None:
        first = nodes.paragraph()
        cell.insert(0, first)
    first.insert(0, words)


def make_cards(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Prepare the tables of a page."""
    for table in doctree.findall(nodes.table):
        heads = [row for head in table.findall(nodes.thead) for row in head.findall(nodes.row)]
        bodies = [row for body in table.findall(nodes.tbody) for row in body.findall(nodes.row)]
        if len(heads) != 1 or not bodies or not too_wide(table) or not wordy(table):
            continue
        table["classes"].append("cards")
        for row in bodies:
            for cell, heading in zip(row.children, heads[0].children, strict=False):
                if len(row) > 2 and heading.astext() and cell.astext():
                    label(cell, heading)


def setup(app: Sphinx) -> dict[str, bool]:
    """Act when the tables are complete, and before their formulas are typeset."""
    app.connect("doctree-resolved", make_cards, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
