"""«Исходник» and «Сообщить об ошибке» at the end of every page and of every exercise, if the repository is known."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx

from chapter.repository import repository_url

REPORT, SOURCE = "Сообщить об ошибке", "Исходник"


def source_address(docname: str, line: int | None = None) -> str:
    """Where the source of a page is shown, from a line on."""
    return f"{repository_url()}/blob/HEAD/{docname}.md" + (f"?plain=1#L{line}" if line else "")


def report_address(docname: str, title: str, exercise: str = "") -> str:
    """Where to write, with the page and the exercise filled in."""
    body = f"Страница: {docname}\n" + (f"Задача: {exercise}\n" if exercise else "") + "\nЧто не так:\n"
    return f"{repository_url()}/issues/new?title={quote(title, safe='')}&body={quote(body, safe='')}"


def exercise_links(docname: str, name: str, title: str, line: int) -> list[nodes.Node]:
    """A line of links for an exercise; nothing where the repository is not known."""
    if not repository_url():
        return []
    report = nodes.reference("", REPORT, refuri=report_address(docname, f"Задача «{title}»", name))
    source = nodes.reference("", SOURCE, refuri=source_address(docname, line))
    for link in (report, source):  # ten links of one name help nobody
        link += nodes.inline("", f": задача «{title}»", classes=["visually-hidden"])
    return [nodes.paragraph("", "", report, nodes.Text(" · "), source, classes=["feedback", "no-print"])]


def add_page_links(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Put the links of the page after its text."""
    if doctree is None or not repository_url():
        return
    title = app.env.titles[page].astext()
    links = [(REPORT, report_address(page, title)), (SOURCE, source_address(page))]
    told = " · ".join(f'<a class="reference external" href="{href}">{text}</a>' for text, href in links)
    context["body"] += f'\n<p class="feedback no-print">{told.replace("&body", "&amp;body")}</p>\n'


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the links of a page when its text is ready."""
    app.connect("config-inited", lambda app, config: repository_url())  # a wrong address is told at once
    app.connect("html-page-context", add_page_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
