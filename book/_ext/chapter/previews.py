"""What a reference to another page names comes with the page: ``hover.js`` shows it where nothing can be fetched."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from pathlib import Path
from urllib.parse import unquote

from sphinx.application import Sphinx

REFERENCE = re.compile(r'<a class="reference internal" href="([^"#]*)#([^"]+)"')
SCRIPT = '<script defer src="{root}_static/hover.js"></script>\n'
CLASSES = {"div": re.compile(r'class="[^"]*\b(?:math|proof)\b'), "figure": re.compile(""), "dt": re.compile("")}


def end_of(html: str, tag: str, start: int) -> int:
    """Where the element ends whose start tag begins at ``start``."""
    depth = 0
    for found in re.finditer(rf"<(/?){tag}\b[^>]*>", html[start:]):
        depth += -1 if found[1] else 1
        if depth == 0:
            return start + found.end()
    return start


def element(html: str, name: str) -> str:
    """Return the formula, theorem, figure or term with an id, or nothing."""
    found = re.search(rf'<(div|figure|dt)\b([^>]*\bid="{re.escape(name)}"[^>]*)>', html)
    if found is None or not CLASSES[found[1]].search(found[2]):
        return ""
    if found[1] != "dt":
        return html[found.start() : end_of(html, found[1], found.start())]
    term = html[found.start() : end_of(html, "dt", found.start())]
    meaning = html.find("<dd>", found.start())
    return f"<dl>{term}{html[meaning : end_of(html, 'dd', meaning)]}</dl>"


def portable(html: str) -> str:
    """Take out what has a place on its own page alone: ids, links, and drawings with what moves them."""
    html = re.sub(r"(<figure\b[^>]*>).*?(?=<figcaption)", r"\1\n", html, flags=re.DOTALL)
    html = re.sub(r'<a class="headerlink".*?</a>|<svg\b.*?</svg>', "", html, flags=re.DOTALL)
    html = re.sub(r"</?a\b[^>]*>", "", html)
    return re.sub(r'\s(?:id|for|role|aria-label|tabindex)="[^"]*"', "", html)


def write_previews(app: Sphinx, error: Exception | None) -> None:
    """Give each page what it refers to elsewhere, and the script if it refers to anything that can be shown."""
    if error or app.builder.format != "html":
        return

    @cache
    def read(file: Path) -> str:
        return file.read_text(encoding="utf-8") if file.exists() else ""

    pages = [Path(app.outdir, app.builder.get_target_uri(name)) for name in sorted(app.env.found_docs)]
    written = {}
    for page in pages:
        html = re.sub(r"<template data-preview.*?</template>\n", "", read(page), flags=re.DOTALL)
        templates, shown = {}, False
        for uri, fragment in dict.fromkeys(REFERENCE.findall(html)):
            there = page.parent.joinpath(unquote(uri)).resolve() if uri else page
            found = element(read(there), unescape(unquote(fragment)))
            shown = shown or bool(found)
            if found and uri:
                templates[f"{uri}#{fragment}"] = portable(found)
        parts = [f'<template data-preview="{key}">{inside}</template>\n' for key, inside in templates.items()]
        script = SCRIPT.format(root="../" * str(page.relative_to(app.outdir)).count("/"))
        html = html.replace("</body>", f"{''.join(parts)}</body>")
        if shown and script not in html:
            html = html.replace("</head>", f"{script}</head>")
        written[page] = html
    for page, html in written.items():
        page.write_text(html, encoding="utf-8", newline="\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Act before the pages are translated and lightened."""
    app.connect("build-finished", write_previews, priority=450)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
