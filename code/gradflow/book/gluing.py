"""What a cell makes and the page shows elsewhere: the protocol of ``myst_nb.glue``, without its dependencies.

So a notebook runs where Jupyter Book is not installed: there the object is displayed and nothing else happens.
"""

from __future__ import annotations

from typing import Any

from IPython.core.formatters import format_display_data
from IPython.display import display as show

PREFIX = "application/papermill.record/"


def glue(name: str, value: Any, display: bool = True) -> None:
    """Keep ``value`` under ``name`` in the output of the cell.

    Args:
        name: by which the page asks for it.
        value: anything that a notebook can display.
        display: show it in the cell, too.
    """
    data, metadata = format_display_data(value)
    prefix = "" if display else PREFIX
    metadata["scrapbook"] = {"name": name, "mime_prefix": prefix}
    show({prefix + mime: content for mime, content in data.items()}, raw=True, metadata=metadata)
