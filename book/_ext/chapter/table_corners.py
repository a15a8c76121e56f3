"""The empty corner of a table heads neither a row nor a column: it is no header cell."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def visit_entry(self: Any, node: nodes.entry) -> None:
    """Open a cell; an empty one in the head becomes an ordinary cell."""
    corner = isinstance(node.parent.parent, nodes.thead) and not node.astext()
    if corner:
        node.clear()
    type(self).visit_entry(self, node)
    if corner:
        self.body[-1] = "<td>"
        self.context[-1] = "</td>\n"


def depart_entry(self: Any, node: nodes.entry) -> None:
    """Close the cell."""
    type(self).depart_entry(self, node)


def setup(app: Sphinx) -> dict[str, bool]:
    """Take the place of the translator's own method."""
    app.add_node(nodes.entry, override=True, html=(visit_entry, depart_entry))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
