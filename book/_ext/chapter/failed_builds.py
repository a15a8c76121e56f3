"""A build with a warning fails, and fails again when it is repeated.

Sphinx reads a page again only when the page has changed. So a page that warned would be skipped by the second run,
which would be green; here such a run forgets what it has read.
"""

from pathlib import Path

from sphinx.application import Sphinx


def fail(app: Sphinx, error: Exception | None) -> None:
    """Report failure, and forget which pages were read, if anything was wrong with them."""
    if error or app._warncount:
        app.statuscode = 1
        Path(app.doctreedir, "environment.pickle").unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Act when everything else is done."""
    app.connect("build-finished", fail, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
