"""Pages ask for what they use, and for nothing else.

The theme and the extensions load everything everywhere: half a megabyte of icons, the search index, styles of things
that no page of this book holds. When all pages are written, style sheets lose the rules whose classes occur nowhere,
the icon fonts lose the icons that no page shows, and each page loses the scripts that do nothing on it.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

from fontTools import configLogger, subset  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
configLogger(level="ERROR")  # it tells of every table that it drops

# Search and highlighting are the book's own (search.js, chapter.js).
NOWHERE = [
    "design-tabs",
    "fontawesome",
    "searchindex",
    "doctools",
    "sphinx_highlight",
    "searchtools",
    "translations",
    r"[\w-]+-stemmer",
]
WORD = re.compile(r"[\w-]+")
ICON = re.compile("[\ue000-\uf8ff]|\\\\[ef][0-9a-f]{3}\\b")
STRING_OR_COMMENT = re.compile(r"""/\*.*?\*/|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|url\([^"')]*\)""", re.DOTALL)
LICENCE = re.compile(r"/\*!.*?\*/", re.DOTALL)
NESTED = ("@media", "@supports", "@layer", "@container")
# The theme measures each of these when the page is opened, and whenever anything changes: that lays out the whole page.
# chapter.js does the same work when they come near the screen.
MEASURED = ",".join(
    f'"{selector}"'
    for selector in [
        "pre",
        ".nboutput > .output_area",
        ".cell_output > .output",
        ".jp-RenderedHTMLCommon",
        ".pst-scrollable-table-container",
    ]
)
NOTHING = '".nothing"'
KEPT_WHOLE = {"formulas.css"}
# Until its script runs the theme of the page is "auto", that is, light: a dark page flashes and is styled twice.
THEME_LATER = 'document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";'
THEME_AT_ONCE = (
    "document.documentElement.dataset.theme = ({light: 'light', dark: 'dark'})[localStorage.getItem('mode')]"
    " || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');"
)
# A chart is some hundred shapes: a browser with scripts reads a <noscript> as text, and near.js puts it in its place.
PANEL = re.compile(r'(?<!<noscript>)<svg xmlns="[^"]*" viewBox="0 0 (\d+) (\d+)".*?</svg>', re.DOTALL)
LATE_PANEL = r'<div style="aspect-ratio: \1 / \2"><noscript>\g<0></noscript></div>'
NO_SCRIPT = ".sidebar-toggle, .article-header-buttons, .quiz template { display: none !important; }"


def rules(css: str) -> Iterator[tuple[str, str | None]]:
    """Yield the rules of a style sheet as selector and body; a statement like ``@charset`` has no body."""
    masked = STRING_OR_COMMENT.sub(lambda found: " " * len(found[0]), css)
    start, position = 0, 0
    while position < len(css):
        if masked[position] == ";":
            yield css[start:position], None
            start = position + 1
        elif masked[position] == "{":
            opened, depth = position, 1
            while depth:
                position += 1
                depth += (masked[position] == "{") - (masked[position] == "}")
            yield css[start:opened], css[opened + 1 : position]
            start = position + 1
        position += 1


def without_comments(css: str) -> str:
    """Return a style sheet without its comments."""
    return STRING_OR_COMMENT.sub(lambda found: "" if found[0].startswith("/*") else found[0], css)


def alternatives(selector: str) -> list[str]:
    """Split a list of selectors at its outer commas."""
    return re.split(r",(?![^(\[]*[)\]])", selector)


def occurs(selector: str, words: set[str]) -> bool:
    """Tell whether every class and id that a selector asks for is a word of the site."""
    selector = re.sub(r"\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]", "", selector.replace("\\", ""))
    return all(name in words for name in re.findall(r"[.#](-?[A-Za-z_][\w-]*)", selector))


def used(css: str, words: set[str]) -> str:
    """Return a style sheet without the rules of which the site holds no class or id."""
    kept = []
    for selector, body in rules(css):
        head = selector.strip()
        if body is None:
            kept.append(f"{selector};")
        elif head.startswith(NESTED):
            inner = used(body, words)
            kept += [f"{selector}{{{inner}}}"] if inner.strip() else []
        elif head.startswith("@"):
            kept.append(f"{selector}{{{body}}}")
        else:
            matching = [one for one in alternatives(selector) if occurs(one, words)]
            kept += [f"{','.join(matching)}{{{body}}}"] if matching else []
    return "".join(kept)


def icon_font(file: Path, characters: set[int]) -> str:
    """Return the icons of a font that the site uses, as an address that holds them."""
    options = subset.Options(flavor="woff", recalc_timestamp=False, layout_features=[], glyph_names=False)
    font = subset.load_font(str(file), options)
    if not characters & set(font.getBestCmap()):
        return 'local("")'
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=characters)
    cutter.subset(font)
    data = io.BytesIO()
    font.save(data, reorderTables=False)
    return f"url(data:font/woff;base64,{base64.b64encode(data.getvalue()).decode()})"


def with_icons(css: str, folder: Path) -> str:
    """Replace the addresses of icon fonts in a style sheet by the few icons that it names."""
    characters = {ord(one) if len(one) == 1 else int(one[1:], 16) for one in ICON.findall(css)}
    return re.sub(
        r'url\([^)]*?([\w-]+)\.woff2\)\s*format\("woff2"\),\s*url\([^)]*\.ttf\)\s*format\("truetype"\)',
        lambda found: icon_font(folder / f"{found[1]}.ttf", characters),
        css,
    )


def plain_tokens(css: str) -> set[str]:
    """Return the classes of code that have the colour of code without a class, in the light and in the dark theme."""
    themes: dict[str, dict[str, str]] = {}
    for theme, name, body in re.findall(r'\[data-theme="(\w+)"\] \.highlight(?: \.(\w+))? \{([^}]*)\}', css):
        themes.setdefault(theme, {})[name] = body.rpartition("color:")[2].strip() if "color:" in body else body
    return set.intersection(
        *({name for name, colour in t.items() if name and colour == t[""]} for t in themes.values())
    )


def lighten(page: str, plain: set[str]) -> str:
    """Return a page without the scripts that do nothing on it, and without what its makers write twice or in vain.

    Args:
        page: HTML as Sphinx writes it.
        plain: classes of code that need no element of their own.
    """
    scripts = "|".join(NOWHERE)
    page = re.sub(rf'\s*<script[^>]*\bsrc="[^"]*\b(?:{scripts})\.js[^"]*"[^>]*></script>', "", page)
    if "_static/search.js" not in page:
        page = re.sub(r"\s*<script[^>]*\blanguage_data\.js[^>]*></script>", "", page)
    page = re.sub(
        r'<script (src="[^"]*/(?!documentation_options)[\w.-]+\.js[^"]*")></script>',
        r"<script defer \1></script>",
        page,
    )
    page = re.sub(r'(<meta name="viewport"[^>]*>)(.*?)</head>', drop_viewports, page, count=1, flags=re.DOTALL)
    page = re.sub(r'\s+autocorrect="off"', "", page)  # not known to the standard by which the pages are judged
    page = re.sub(r"<title>(.+?) &#8212; \1</title>", r"<title>\1</title>", page)
    page = page.replace(THEME_LATER, THEME_AT_ONCE)
    page = PANEL.sub(LATE_PANEL, page)
    colourless = re.compile(rf'<span(?: class="(?:{"|".join(sorted(plain))})")?>([^<]*)</span>')
    page = re.sub(r"<pre>.*?</pre>", lambda code: colourless.sub(r"\1", code[0]), page, flags=re.DOTALL)
    page = page.replace(
        ".pst-js-only { display: none !important; }", f".pst-js-only {{ display: none !important; }}\n{NO_SCRIPT}"
    )
    return re.sub(r"<summary>\s*(<p.*?</p>)\s*</summary>", spans, page, flags=re.DOTALL)


def drop_viewports(found: re.Match[str]) -> str:
    """Keep the first of several viewports."""
    return found[1] + re.sub(r'\s*<meta name="viewport"[^>]*>', "", found[2]) + "</head>"


def spans(found: re.Match[str]) -> str:
    """Make paragraphs of a summary what a summary may hold."""
    return f"<summary>{found[1].replace('<p ', '<span ').replace('</p>', '</span>')}</summary>"


def lighten_site(app: Sphinx, error: Exception | None) -> None:
    """Lighten the pages, and the style sheets after them."""
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    static = site / "_static"
    plain = plain_tokens((static / "pygments.css").read_text(encoding="utf-8"))
    pages = {}
    for file in sorted(site.rglob("*.html")):
        pages[file] = lighten(file.read_text(encoding="utf-8"), plain)
        file.write_text(pages[file], encoding="utf-8", newline="\n")
    for script in static.rglob("*.js"):
        if re.fullmatch("|".join(NOWHERE), script.stem):
            script.unlink()
    theme = static / "scripts" / "pydata-sphinx-theme.js"
    text = theme.read_text(encoding="utf-8")
    if MEASURED not in text and NOTHING not in text:  # a repeated build need not copy the script again
        logger.warning("light_pages.py: the theme no longer measures what MEASURED says; look at what it does instead")
    theme.write_text(text.replace(MEASURED, NOTHING), encoding="utf-8", newline="\n")
    scripts = [file.read_text(encoding="utf-8") for file in static.rglob("*.js")]
    words = {word for text in [*pages.values(), *scripts] for word in WORD.findall(text)}
    fonts = static / "vendor" / "fontawesome" / "webfonts"
    for file in sorted(static.rglob("*.css")):
        if file.name not in KEPT_WHOLE:
            text = file.read_text(encoding="utf-8")
            css = with_icons(used(without_comments(text), words), fonts).replace("summary>p.", "summary>.")
            file.write_text("\n".join([*LICENCE.findall(text), css.strip(), ""]), encoding="utf-8", newline="\n")
    for file in fonts.glob("*"):
        file.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    """Act when all pages and files are there, and before their words are translated."""
    app.connect("build-finished", lighten_site, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
