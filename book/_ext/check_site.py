"""Checks of the built site: what a reader would see and Sphinx does not notice.

    python book/_ext/check_site.py _build/html

prints ``file:line: what is wrong; what to do`` for every finding, and exits with 1 if there is any. The file is the
source of the page, the line that of the nearest words which stand in it once; where there is none, it is the HTML.
"""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
OUTSIDE = re.compile(r"^(?:[a-z]+:)?//", re.IGNORECASE)
CSS_LOADS = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")
RAW_MARKUP = re.compile(
    r"""\{[a-z]+(?::[a-z]+)?\}`      # a role
      | ^\s*(?::::|```|~~~)          # a fence
      | \$\$ | \$[^$\s][^$]*\$       # a formula
      | \\[a-zA-Z]{2,}\b             # a macro
      | \{number\} | \{name\}        # a placeholder of a reference
    """,
    re.VERBOSE | re.MULTILINE,
)
CYRILLIC = re.compile("[А-Яа-яЁё]")
ENGLISH = re.compile("[A-Za-z]{3,}")
INTERFACE_WORDS = {"Ctrl", ".md", ".ipynb", ".pdf"}
SPOKEN = ("alt", "aria-label", "data-bs-title", "placeholder", "title")
NAMING = ("aria-label", "alt", "href", "id", "src")
QUOTED = re.compile("«(.*?)»")
SHORT = 4  # letters; shorter words stand everywhere
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
LOADED = {"audio": "src", "embed": "src", "iframe": "src", "img": "src", "link": "href", "object": "data",
          "script": "src", "source": "src", "video": "src"}  # fmt: skip
LINKS_THAT_LOAD = {
    "stylesheet",
    "icon",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "manifest",
}
SHORT_ALT = 20


@dataclass
class Element:
    """An open element: its name, attributes and line."""

    tag: str
    attributes: dict[str, str]
    line: int

    @property
    def classes(self) -> set[str]:
        """The class names."""
        return set(self.attributes.get("class", "").split())


@dataclass
class Finding:
    """One fault and its cure."""

    file: Path
    line: int
    fault: str
    cure: str
    place: int = 0  # how many words of the page stand before it

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.fault}; {self.cure}"


@dataclass
class Page(HTMLParser):
    """One page: reads it once and remembers the findings, the ids and the links."""

    file: Path
    findings: list[Finding] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    links: list[tuple[int, int, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)  # texts and names by which a place can be found in the source
    stack: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.file.read_text(encoding="utf-8"))

    def report(self, fault: str, cure: str) -> None:
        """Remember a finding at the present line."""
        self.findings.append(Finding(self.file, self.getpos()[0], fault, cure, len(self.words)))

    def inside(self, wanted: Callable[[Element], bool]) -> bool:
        """Tell whether an open element is of the wanted kind."""
        return any(wanted(element) for element in self.stack)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check an element by its name and attributes."""
        element = Element(tag, {name: value or "" for name, value in attrs}, self.getpos()[0])
        self.words += [element.attributes[name] for name in NAMING if element.attributes.get(name)]
        for check in (self.check_id, self.check_load, self.check_picture, self.check_spoken, self.check_output):
            check(element)
        if tag == "a" and "href" in element.attributes:
            self.links.append((element.line, len(self.words), element.attributes["href"]))
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Close at once what closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close the nearest element of that name."""
        for depth in range(len(self.stack) - 1, -1, -1):
            if self.stack[depth].tag == tag:
                del self.stack[depth:]
                return

    def check_id(self, element: Element) -> None:
        """An id occurs once."""
        name = element.attributes.get("id")
        if name in self.ids:
            self.report(f"id «{name}» again, first in line {self.ids[name]}", "give the second label another name")
        elif name:
            self.ids[name] = element.line

    def check_load(self, element: Element) -> None:
        """What a page loads comes from the book, and is there."""
        target = element.attributes.get(LOADED.get(element.tag, ""))
        relations = set(element.attributes.get("rel", "").split())
        if not target or (element.tag == "link" and not relations & LINKS_THAT_LOAD):
            return
        if OUTSIDE.match(target):
            self.report(f"loads «{target}» from outside", "put the file into book/_static")
        elif not target.startswith("data:"):
            self.links.append((element.line, len(self.words), target))

    def check_picture(self, element: Element) -> None:
        """A picture says its conclusion in words."""
        if not self.inside(lambda outer: outer.tag == "article"):
            return
        cure = "describe the conclusion in :alt:"
        if element.tag == "img":
            alt = element.attributes.get("alt", "")
            if len(alt) < SHORT_ALT or not CYRILLIC.search(alt):
                self.report(f"picture with the alt text «{alt}»", cure)
        elif "gradflow-chart" in element.classes:
            if len(element.attributes.get("aria-label", "")) < SHORT_ALT:
                self.report("chart without a description", f"show it with {{chart}} and {cure}")
        elif element.tag == "svg" and not (
            element.attributes.get("aria-hidden") == "true"
            or element.attributes.get("aria-label")
            or self.inside(
                lambda outer: outer.attributes.get("role") == "img" and bool(outer.attributes.get("aria-label"))
            )
        ):
            self.report("drawing without a description", "give it role=img and aria-label, or aria-hidden")

    def check_spoken(self, element: Element) -> None:
        """What a screen reader says of the interface is Russian."""
        link = self.file.name + element.attributes.get("href", "") if element.tag == "a" else ""
        if "references.html#" in link:
            return  # a work bears its title in its own language
        for name in SPOKEN:
            words = element.attributes.get(name, "")
            if ENGLISH.search(words) and not CYRILLIC.search(words) and words not in INTERFACE_WORDS:
                self.report(f"{name}=«{words}» is English", "translate it in book/_ext/chapter/russian.py")

    def check_output(self, element: Element) -> None:
        """No cell publishes a traceback or text from stderr; no reference stays unresolved."""
        if "traceback" in element.classes:
            self.report("a published traceback", "run the cell: its output raises while it is displayed")
        if "stderr" in element.classes:
            self.report("published stderr", "cure the cause of the warning in the cell")
        if element.tag == "code" and "xref" in element.classes:
            self.report("an unresolved reference", "correct the label it names")
        if {"admonition", "dropdown"} <= element.classes:
            self.report("an admonition with :class: dropdown does not fold here", "use {dropdown}")

    def handle_data(self, data: str) -> None:
        """Check a piece of text."""
        self.words += [line.strip() for line in data.splitlines() if self.inside(lambda outer: outer.tag == "article")]
        if not data.strip() or self.inside(lambda outer: outer.tag in {"script", "style", "mjx-container"}):
            return
        if found := ADDRESS.search(data):
            self.report(f"an object's address «{found[0]}»", "print what the reader needs, not the default repr")
        if self.inside(lambda outer: "math" in outer.classes or outer.tag in {"pre", "code", "svg", "kbd"}):
            return
        if found := RAW_MARKUP.search(data):
            self.report(f"raw markup «{found[0].strip()}»", "repair the markup of the page at this place")
        words = data.strip()
        if (
            ENGLISH.search(words)
            and not CYRILLIC.search(words)
            and words not in INTERFACE_WORDS
            and self.is_interface()
        ):
            self.report(f"«{words}» is English", "translate it in book/_ext/chapter/russian.py")

    def is_interface(self) -> bool:
        """Tell whether the present text is the book's furniture: outside of the article, or a title of a box."""
        if self.inside(lambda outer: outer.tag in {"a", "title", "h1"}):
            return False  # titles of pages and sections
        furniture = {"admonition-title", "caption-number", "sd-summary-text", "proof-title"}
        return not self.inside(lambda outer: outer.tag == "article") or bool(
            self.stack and self.stack[-1].classes & furniture
        )


def broken_links(pages: dict[Path, Page], site: Path) -> Iterator[Finding]:
    """Find links and loads whose file or anchor is missing."""
    for file, page in pages.items():
        for line, place, target in page.links:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            path, anchor = urldefrag(unquote(target))
            path = path.partition("?")[0]
            aim = (file.parent / path).resolve() if path else file
            if aim.is_dir():
                aim /= "index.html"
            if not aim.exists() or not aim.is_relative_to(site):
                yield Finding(file, line, f"the link «{target}» leads nowhere", "correct its file", place)
            elif anchor and aim in pages and anchor not in pages[aim].ids:
                yield Finding(file, line, f"the link «{target}» has no such place", "correct its label", place)


def in_source(finding: Finding, words: list[str], site: Path, root: Path) -> Finding:
    """Give a finding the file and the line of the page's source, by what it quotes or by the nearest words."""
    source = (root / finding.file.relative_to(site).as_posix().removeprefix("_sources/")).with_suffix(".md")
    if not source.exists():
        return finding
    lines = source.read_text(encoding="utf-8").splitlines()
    nearest = sorted(range(len(words)), key=lambda place: abs(place - finding.place + 0.5))
    for word in [*QUOTED.findall(finding.fault), *(words[place].rpartition("#")[2] for place in nearest)]:
        found = [number for number, line in enumerate(lines, start=1) if len(word) >= SHORT and word in line]
        if len(found) == 1:
            return replace(finding, file=source, line=found[0])
    return replace(finding, file=source, line=1)


def faults_of_text(file: Path, build_paths: list[str]) -> Iterator[Finding]:
    """Find paths of the building machine, and style sheets that load from outside."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        for path in build_paths:
            if path in line:
                yield Finding(file, number, f"the build path «{path}»", "print file names, not full paths")
        if file.suffix in {".css", ".html"}:
            for found in CSS_LOADS.finditer(line):
                yield Finding(file, number, f"loads «{found[1]}» from outside", "put the file into book/_static")


def check(site: Path, build_paths: list[str], root: Path | None = None) -> list[Finding]:
    """Check a whole site, built from the sources in ``root``; ``build_paths`` must not occur in it."""
    site, root = site.resolve(), root or Path.cwd()
    pages = {file: Page(file) for file in sorted(site.rglob("*.html")) if "_static" not in file.parts}
    findings = [finding for page in pages.values() for finding in page.findings]
    findings += broken_links(pages, site)
    for file in sorted(site.rglob("*")):
        if file.suffix in {".css", ".html", ".ipynb", ".js", ".json", ".md", ".svg", ".txt"}:
            findings += faults_of_text(file, build_paths)
    return [
        in_source(finding, pages[finding.file].words if finding.file in pages else [], site, root)
        for finding in findings
    ]


def main() -> int:
    """Check the site named on the command line."""
    site = Path(sys.argv[1])
    if not list(site.rglob("*.html")):
        print(f"{site}: no pages; build the book first")
        return 1
    findings = check(site, [str(Path.cwd()), sys.prefix, "/ipykernel_", "site-packages/"])
    for finding in findings:
        print(finding)
    print(f"{site}: {len(findings)} faults" if findings else f"{site}: no faults")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
