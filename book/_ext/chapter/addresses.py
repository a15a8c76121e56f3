"""What search engines, messengers and lost readers meet: descriptions, pictures, the map of the site, the page 404.

``BASE_URL`` in the environment says where the site will lie. Without it no address can be written in full: the pages
name no canonical address, and there is no sitemap.
"""

from __future__ import annotations

import io
import os
import re
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import resvg_py
from docutils import nodes
from matplotlib import get_data_path
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

from chapter.search_index import Collector, reading_order

BASE_URL = "BASE_URL"
LONGEST = 200  # letters of a description
WIDTH, HEIGHT, MARGIN = 1200, 630, 50  # pixels: what Open Graph recommends
TITLE_SIZE, TITLE_LINE = 42, 44  # pixels, letters
COLORS = 64  # of a picture: a third of the bytes, and no difference to the eye
PANEL = re.compile(r'<svg [^>]*viewBox="0 0 (\d+) (\d+)"[^>]*>(.*?)</svg>', re.DOTALL)
PICTURES = "_images"

NOT_FOUND = """<!DOCTYPE html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">{base}
<title>Такой страницы нет — {title}</title>
<link rel="icon" href="_static/favicon.svg">
<style>
:root {{ background: Canvas; color: CanvasText; color-scheme: light dark; }}
body {{ max-width: 34rem; margin: 15vh auto; padding: 0 1rem; font: 1.1rem/1.6 system-ui, sans-serif; }}
</style>
</head>
<body>
<main>
<h1>Такой страницы нет</h1>
<p>Может быть, в адресе опечатка или страница теперь называется иначе.</p>
<ul>
<li><a href="{first}">{title}: начало</a></li>
<li><a href="search.html">поиск по книге</a></li>
</ul>
</main>
</body>
</html>
"""


def read_base_url(app: Sphinx, config: Config) -> None:
    """Take the address of the site from the environment."""
    address = os.environ.get(BASE_URL, "").strip()
    parts = urlsplit(address)
    if address and (parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment):
        raise ConfigError(f"{BASE_URL}: expected an address like https://name.github.io/book/, got {address!r}")
    config.html_baseurl = address.rstrip("/") + "/" if address else ""


def shortened(text: str) -> str:
    """Cut a text after a sentence, or else after a word."""
    if len(text) <= LONGEST:
        return text
    start = text[:LONGEST]
    sentence = max(start.rfind(f"{stop} ") for stop in ".!?")
    return start[: sentence + 1] if sentence > LONGEST // 3 else start[: start.rfind(" ")].rstrip(" ,;:—") + "…"


def description(app: Sphinx, doctree: nodes.document, docname: str) -> str:
    """What the first paragraph of a page says; it may stand in a box without a title."""
    section = next(iter(doctree.findall(nodes.section)), doctree)
    boxes = [
        child for child in section.children if isinstance(child, nodes.container) and "no-print" in child["classes"]
    ]
    children = [child for place in (section, *boxes) for child in place.children]
    paragraph = next((child for child in children if isinstance(child, nodes.paragraph)), None)
    return shortened(Collector(app, docname).inline(paragraph)) if paragraph is not None else ""


def lines_of(title: str) -> list[str]:
    """Break a title into lines."""
    lines = [""]
    for word in title.split():
        if lines[-1] and len(lines[-1]) + len(word) >= TITLE_LINE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def picture(title: str, chart: str) -> bytes:
    """Draw the panels of a chart side by side under a title."""
    lines = lines_of(title)
    texts = [
        f'<text x="{MARGIN}" y="{MARGIN + TITLE_SIZE * (1 + 1.2 * number):.0f}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    top = MARGIN + TITLE_SIZE * 1.2 * len(lines) + 25
    panels = PANEL.findall(chart)[:2]
    width = (WIDTH - 2 * MARGIN) / max(len(panels), 1)
    drawn = [
        f'<svg x="{MARGIN + number * width:.0f}" y="{top:.0f}" width="{width:.0f}" height="{HEIGHT - top - 25:.0f}"'
        f' viewBox="0 0 {right} {bottom}" fill="#1a1a1a" color="#1a1a1a">{inside}</svg>'
        for number, (right, bottom, inside) in enumerate(panels)
    ]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{WIDTH}"'
        f' height="{HEIGHT}"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<g font-family="DejaVu Sans" font-size="{TITLE_SIZE}" font-weight="bold">{"".join(texts)}</g>'
        f"{''.join(drawn)}</svg>"
    )
    fonts = [str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf"))]
    large = io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, font_files=fonts, skip_system_fonts=True)))
    small = io.BytesIO()
    Image.open(large).convert("RGB").quantize(COLORS).save(small, "PNG", optimize=True)
    return small.getvalue()


def draw_picture(app: Sphinx, doctree: nodes.document, docname: str, title: str) -> str:
    """Write the picture of a page, drawn from its first chart, and return its address from the root of the site."""
    charts = [raw.astext() for raw in doctree.findall(nodes.raw) if 'class="gradflow-chart"' in raw.astext()]
    name = f"{PICTURES}/{docname.rpartition('/')[2]}.png"
    file = Path(app.outdir, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(picture(title, charts[0] if charts else ""))
    return name


def describe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Put description and Open Graph into the head of a page."""
    if doctree is None:
        return
    title = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", "", context["title"]))).strip()
    told = description(app, doctree, page)
    image = draw_picture(app, doctree, page, title)
    properties = {
        "og:type": "article",
        "og:locale": "ru_RU",
        "og:site_name": app.config.html_title,
        "og:title": title,
        "og:description": told,
        "og:url": app.config.html_baseurl and app.config.html_baseurl + app.builder.get_target_uri(page),
        "og:image": (app.config.html_baseurl or "../" * page.count("/")) + image,
        "og:image:width": str(WIDTH),
        "og:image:height": str(HEIGHT),
        "og:image:alt": title,
    }
    tags = [f'<meta name="description" content="{escape(told)}">'] if told else []
    tags += [f'<meta property="{name}" content="{escape(text)}">' for name, text in properties.items() if text]
    context["metatags"] = "\n".join([context.get("metatags", ""), *tags, ""])


def write_maps(app: Sphinx, error: Exception | None) -> None:
    """Write what lies at the root of the site: the page 404, the words to robots, the sitemap."""
    if error or app.builder.format != "html":
        return
    site, base = Path(app.outdir), app.config.html_baseurl
    first = app.builder.get_target_uri(app.config.root_doc)
    tag = f'\n<base href="{escape(urlsplit(base).path)}">' if base else ""
    files = {"404.html": NOT_FOUND.format(base=tag, title=escape(app.config.html_title), first=first)}
    files["robots.txt"] = "User-agent: *\nAllow: /\n"
    if base:
        files["robots.txt"] += f"\nSitemap: {base}sitemap.xml\n"
        places = [
            f"<url><loc>{escape(base + app.builder.get_target_uri(name))}</loc></url>" for name in reading_order(app)
        ]
        files["sitemap.xml"] = "\n".join([
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">', *places, "</urlset>", "",
        ])  # fmt: skip
    for name, text in files.items():
        (site / name).write_text(text, encoding="utf-8", newline="\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Describe each page when it is written, and the site when all are."""
    app.connect("config-inited", read_base_url)
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_maps, priority=650)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
