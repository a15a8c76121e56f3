"""What a reader's first visit to each page costs on a phone.

    python code/benchmarks/pages.py [_build/html] [--repeats 3] [--page gates …]

Needs what ``requirements-test.txt`` needs. The built book is served gzipped from this machine to headless Chromium:
375 pixels wide, processor slowed down four times. Medians of the repeats:

    first      kilobytes of a visit with an empty cache
    html       of these, the page itself
    later      kilobytes beyond its HTML when the reader comes from another page
    paint      largest contentful paint, ms
    formulas   when the last formula stood in the page and its fonts were there, ms
    blocked    sum of what long tasks take beyond 50 ms each
    shift      cumulative layout shift
    nodes      elements of the page
    anchor     does a link to the page's last heading stand at its place when the page is loaded, and stay there

A number that misses its goal bears an exclamation mark, and the run ends with exit code 1.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).parents[2]
WIDTH, HEIGHT, SLOWDOWN = 375, 812, 4
COMPRESSED = {".css", ".html", ".js", ".svg", ".txt"}
GOALS = {
    "first": 350.0,
    "later": 60.0,
    "paint": 2000.0,
    "formulas": 2000.0,
    "blocked": 300.0,
    "shift": 0.02,
    "anchor": 1.0,
}
HEAVIEST = 500.0  # kilobytes that the heaviest page may cost
FORMATS = {"shift": "{:.3f}", "anchor": "{:.0f}"}
COLUMNS = ["first", "html", "later", "paint", "formulas", "blocked", "shift", "nodes", "anchor"]

OBSERVE = """
window.seen = {paint: 0, formulas: 0, blocked: 0, shift: 0};
const watch = (type, act) =>
  new PerformanceObserver((list) => list.getEntries().forEach(act)).observe({type, buffered: true});
watch("largest-contentful-paint", (entry) => { seen.paint = entry.startTime; });
watch("longtask", (entry) => { seen.blocked += Math.max(0, entry.duration - 50); });
watch("layout-shift", (entry) => { if (!entry.hadRecentInput) seen.shift += entry.value; });
const drawn = async () => {
  if (document.querySelector("article .math:not(:has(mjx-container))")) setTimeout(drawn, 100);
  else await document.fonts.ready.then(() => { seen.formulas = performance.now(); });
};
document.addEventListener("readystatechange", () => { if (document.readyState === "interactive") drawn(); });
"""
QUIET = "() => performance.now() - performance.timing.domComplete + performance.timing.navigationStart > 1500"
OFFSET = """() => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const bottom = document.documentElement.scrollHeight - innerHeight - scrollY;
  const top = target.getBoundingClientRect().top;
  return top > -2 && (top < innerHeight / 3 || bottom < 2) && top < innerHeight ? 1 : 0;
}"""


class Handler(SimpleHTTPRequestHandler):
    """A quiet file server that compresses what servers compress."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send a file."""
        path = Path(self.translate_path(self.path))
        if path.suffix not in COMPRESSED or not path.is_file():
            super().do_GET()
            return
        body = compressed(path)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=3600")
        self.end_headers()
        self.wfile.write(body)


@cache
def compressed(path: Path) -> bytes:
    """Return a file as servers send it."""
    return gzip.compress(path.read_bytes(), 6)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder at a local address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def open_slowly(context: BrowserContext, address: str) -> tuple[Page, list[int]]:
    """Open an address on a slow phone; return the page and the list to which its transfers are added, in bytes."""
    page = context.new_page()
    transfers: list[int] = []
    protocol = context.new_cdp_session(page)
    protocol.send("Network.enable")
    protocol.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    held = set()  # requests for what the page itself holds as data: are counted with the page
    protocol.on(
        "Network.requestWillBeSent",
        lambda event: held.add(event["requestId"]) if event["request"]["url"].startswith("data:") else None,
    )
    protocol.on(
        "Network.loadingFinished",
        lambda event: transfers.append(0 if event["requestId"] in held else event["encodedDataLength"]),
    )
    page.add_init_script(OBSERVE)
    page.goto(address, wait_until="load", timeout=120_000)
    return page, transfers


def settle(page: Page) -> None:
    """Wait until nothing moves any more."""
    page.evaluate("() => document.fonts.ready")
    page.wait_for_function(QUIET, timeout=120_000)


def visit(browser: Browser, site: str, name: str, before: str) -> dict[str, float]:
    """Measure one first visit, one that comes from the page ``before``, and one to the last heading."""
    phone: dict[str, Any] = {"viewport": {"width": WIDTH, "height": HEIGHT}, "locale": "ru-RU"}
    context = browser.new_context(**phone)
    page, transfers = open_slowly(context, f"{site}{name}")
    settle(page)
    found: dict[str, float] = page.evaluate("() => ({...seen, nodes: document.querySelectorAll('*').length})")
    headings = page.evaluate(
        "() => [...document.querySelectorAll('article section[id] > h2')].map((h) => h.parentElement.id)"
    )
    context.close()

    context = browser.new_context(**phone)
    other, _ = open_slowly(context, f"{site}{before}")
    settle(other)
    later, more = open_slowly(context, f"{site}{name}")
    settle(later)
    context.close()

    landed = 1.0
    if headings:
        context = browser.new_context(**phone)
        middle, _ = open_slowly(context, f"{site}{name}#{headings[-1]}")
        landed = middle.evaluate(OFFSET)
        settle(middle)
        landed = min(landed, middle.evaluate(OFFSET))
        context.close()
    html = len(compressed(Path(str(SITES[site])) / name)) / 1000
    return {**found, "first": sum(transfers) / 1000, "html": html, "later": sum(more) / 1000 - html, "anchor": landed}


SITES: dict[str, Path] = {}  # address → folder


def missed(column: str, value: float, heaviest: bool) -> bool:
    """Tell whether a number misses its goal."""
    if column not in GOALS:
        return False
    if column == "anchor":
        return value < GOALS[column]
    return value > (HEAVIEST if column == "first" and heaviest else GOALS[column])


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--page", action="append", help="name of a page, e.g. gates; all by default")
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT / "tests" / "book")]
    from browser.chromium import find

    names = sorted(file.relative_to(options.site).as_posix() for file in options.site.glob("book/*.html"))
    wanted = [name for name in names if not options.page or Path(name).stem in options.page]
    rows = {}
    with sync_playwright() as playwright, served(options.site) as address:
        SITES[address] = options.site
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        for name in wanted:
            before = next(other for other in names if other != name)
            visits = [visit(browser, address, name, before) for _ in range(options.repeats)]
            rows[name] = {column: statistics.median(one[column] for one in visits) for column in COLUMNS}
        browser.close()
    heaviest = max(rows, key=lambda name: rows[name]["first"])
    print(f"{'page':<20}" + "".join(f"{column:>10}" for column in COLUMNS))
    misses = 0
    for name, row in rows.items():
        cells = []
        for column in COLUMNS:
            miss = missed(column, row[column], name == heaviest)
            misses += miss
            cells.append(FORMATS.get(column, "{:.0f}").format(row[column]) + ("!" if miss else " "))
        print(f"{Path(name).stem:<20}" + "".join(f"{cell:>10}" for cell in cells))
    goals = ", ".join(f"{column} {'≥' if column == 'anchor' else '≤'} {goal:g}" for column, goal in GOALS.items())
    print(f"goals: {goals}; first ≤ {HEAVIEST:g} for the heaviest page. {misses} missed")
    return int(misses > 0)


if __name__ == "__main__":
    sys.exit(main())
