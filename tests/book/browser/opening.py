"""A page of a book in a browser that reaches nothing but the book."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, Page, Route

PATIENCE = 60_000  # milliseconds: the machine may be busy


@dataclass
class Opened:
    """A page, and what it complained of and asked for from outside since it was opened."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def faulty_formulas(self) -> list[str]:
        """Return the formulas that are not drawn: without a size, or still TeX."""
        missing = self.page.locator("article .math:not(:has(mjx-container))").all_inner_texts()
        flat = """formulas => formulas
            .filter(one => one.checkVisibility() && !one.firstChild.getBoundingClientRect().width)
            .map(one => one.dataset.tex)"""
        return missing + self.page.locator("article mjx-container").evaluate_all(flat)


OpenPage = Callable[..., AbstractContextManager[Opened]]


class QuietHandler(SimpleHTTPRequestHandler):
    """A file server that prints nothing."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder at a local address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@contextmanager
def opening(browser: Browser, address: str, width: int = 1280, theme: str = "light") -> Iterator[Opened]:
    """Open an address and wait until its fonts are there."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce", locale="ru-RU"
    )
    context.set_default_timeout(PATIENCE)
    opened = Opened(context.new_page())
    book = address if address.startswith("file:") else "/".join(address.split("/")[:3])

    def decide(route: Route) -> None:
        if route.request.url.startswith(("file:" if book.startswith("file:") else book, "data:", "blob:")):
            route.continue_()
        else:
            opened.outside.append(route.request.url)
            route.abort()

    def listen(said: object) -> None:
        if said.type in {"error", "warning"}:
            opened.complaints.append(said.text)

    context.route("**/*", decide)
    opened.page.on("console", listen)
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.page.on("requestfailed", lambda request: opened.complaints.append(f"failed: {request.url}"))
    opened.page.goto(address, wait_until="load")
    opened.page.evaluate("() => document.fonts.ready")
    yield opened
    context.close()
