"""``index.html`` at the root of the site leads to the first page."""

from pathlib import Path

from sphinx.application import Sphinx

REDIRECT = """<!DOCTYPE html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={url}">
<title>{title}</title>
</head>
<body>
<main><h1>{title}</h1><p><a href="{url}">Открыть книгу</a></p></main>
</body>
</html>
"""


def write_redirect(app: Sphinx, error: Exception | None) -> None:
    """Replace the redirect of sphinx-external-toc, which is English and has no heading."""
    if error is None and app.builder.format == "html":
        first = app.builder.get_target_uri(app.config.root_doc)
        text = REDIRECT.format(url=first, title=app.config.html_title)
        Path(app.outdir, "index.html").write_text(text, encoding="utf-8", newline="\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Act after sphinx-external-toc."""
    app.connect("build-finished", write_redirect, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
