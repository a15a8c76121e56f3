"""Russian for what the extensions and the theme leave in English.

What they pass through gettext gets a last catalogue to fall back to; what their templates hard-code is replaced
in the finished pages.
"""

import re
from gettext import NullTranslations
from html import escape
from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.locale import translators

CATALOGUES = {
    "sphinx": {
        "Back to top": "Наверх",
        "Color mode": "Светлая или тёмная тема",
        "System Settings": "как в системе",
        "dark": "тёмная",
        "Version warning": "Предупреждение о версии",
        "Announcement": "Объявление",
        "Collapse Sidebar": "Свернуть панель",
        "Expand Sidebar": "Развернуть панель",
    },
}

# Start tags that templates hard-code: name, attributes by which they are known, attributes that they get.
HARD_CODED: list[tuple[str, dict[str, str], dict[str, str | None]]] = [
    ("nav", {"aria-label": "Main"}, {"aria-label": "Оглавление"}),
    ("nav", {"aria-label": "Page"}, {"aria-label": "На этой странице"}),
    ("button", {"title": "Toggle primary sidebar"}, {"title": "Оглавление", "aria-label": "Оглавление"}),
    ("button", {"title": "Toggle secondary sidebar"}, {"title": "На этой странице", "aria-label": "На этой странице"}),
    ("div", {"id": "pst-primary-sidebar"}, {"role": "complementary", "aria-label": "Боковая панель"}),
    ("div", {"role": "doc-biblioentry"}, {"role": "listitem"}),  # deprecated, and not allowed on a div
    ("summary", {"aria-label": "Toggle hidden content"}, {"aria-label": None}),  # the text says it
]


class Table(NullTranslations):
    """A plain dictionary in the chain of translators."""

    def __init__(self, words: dict[str, str]) -> None:
        super().__init__()
        self.words = words

    def gettext(self, message: str) -> str:
        """Return the Russian words, or ask the next translator."""
        return self.words[message] if message in self.words else super().gettext(message)


class Translator(HTMLParser):
    """Finds the start tags that templates hard-code; everything else is kept to the byte."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.lines = [0, *(found.end() for found in re.finditer("\n", html))]
        self.replacements: list[tuple[int, int, str]] = []  # start, end, text
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Give the tag its new attributes if it is one of those above."""
        attributes = dict(attrs)
        for name, known, changes in HARD_CODED:
            if tag == name and known.items() <= attributes.items():
                merged = {
                    key: value
                    for key, value in {**attributes, **changes}.items()
                    if key not in changes or changes[key] is not None
                }
                text = "".join(
                    f" {key}" if value is None else f' {key}="{escape(value)}"' for key, value in merged.items()
                )
                line, column = self.getpos()
                start = self.lines[line - 1] + column
                self.replacements.append((start, start + len(self.get_starttag_text() or ""), f"<{tag}{text}>"))
                return

    def result(self) -> str:
        """The page with the tags replaced."""
        pieces, done = [], 0
        for start, end, text in self.replacements:
            pieces += [self.html[done:start], text]
            done = end
        return "".join([*pieces, self.html[done:]])


def translate_pages(app: Sphinx, error: Exception | None) -> None:
    """Translate what no catalogue reaches."""
    if error or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        translated = Translator(text).result()
        if translated != text:
            page.write_text(translated, encoding="utf-8", newline="\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Let every catalogue fall back to the words above."""
    for catalogue, words in CATALOGUES.items():
        translators["general", catalogue].add_fallback(Table(words))
    app.connect("build-finished", translate_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
