"""Files that no page asks for do not belong on the site."""

from pathlib import Path

from sphinx.application import Sphinx

# Source maps, the fonts' second format, translations that were compiled into the pages.
UNUSED = [
    "_static/**/*.map",
    "_static/**/*.ttf",
    "_static/**/*.po",
    "_static/**/*.mo",
    "_static/**/*.LICENSE.txt",
]


# What Sphinx reads when it builds again: a hash of this machine's paths, and an index that no page asks for.
NOTES_OF_SPHINX = [".buildinfo", "searchindex.js"]


def bring_notes(app: Sphinx) -> None:
    """Put back what Sphinx noted at the last build; it lies beside the site meanwhile."""
    for name in NOTES_OF_SPHINX:
        kept = Path(app.doctreedir, name)
        if kept.exists():
            kept.replace(Path(app.outdir, name))


def remove_unused(app: Sphinx, error: Exception | None) -> None:
    """Remove what is unused, and take away the notes of Sphinx."""
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for pattern in UNUSED:
        for file in site.glob(pattern):
            file.unlink()
    for name in NOTES_OF_SPHINX:
        Path(site, name).replace(Path(app.doctreedir, name))


def setup(app: Sphinx) -> dict[str, bool]:
    """Act before and after everyone who writes files."""
    app.connect("builder-inited", bring_notes)
    app.connect("build-finished", remove_unused, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
