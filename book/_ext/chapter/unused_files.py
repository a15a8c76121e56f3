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


def bring_build_info(app: Sphinx) -> None:
    """Put back what tells Sphinx whether its options are those of the last build; it lies beside the site meanwhile."""
    kept = Path(app.doctreedir, ".buildinfo")
    if kept.exists():
        kept.replace(Path(app.outdir, ".buildinfo"))


def remove_unused(app: Sphinx, error: Exception | None) -> None:
    """Remove what is unused, and take away the build information: it holds a hash of this machine's paths."""
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for pattern in UNUSED:
        for file in site.glob(pattern):
            file.unlink()
    Path(site, ".buildinfo").replace(Path(app.doctreedir, ".buildinfo"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Act before and after everyone who writes files."""
    app.connect("builder-inited", bring_build_info)
    app.connect("build-finished", remove_unused, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
