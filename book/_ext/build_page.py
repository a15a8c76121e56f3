"""Builds, checks and shows one page: ``python book/_ext/build_page.py gates``, or ``make page PAGE=gates``.

No other page but the literature is read, so references to them lead nowhere in this draft; a cell may take 30 seconds.
The outputs go to the same cache as those of the whole book.
"""

import os
import subprocess
import sys
import webbrowser
from pathlib import Path

from check_site import Page, in_source

ROOT = Path(__file__).parents[2]
DRAFT = ROOT / "_build" / "page"
LITERATURE = "references"
ECHOES = ("an unresolved reference", "leads nowhere", "has no such place")  # of the pages that are not there


def write_contents(name: str) -> Path:
    """Write a table of contents with one page and the literature that it cites, and return its place."""
    DRAFT.mkdir(parents=True, exist_ok=True)
    contents = DRAFT / "_toc.yml"
    cited = name != LITERATURE and (ROOT / "book" / f"{LITERATURE}.md").exists()
    literature = f"chapters:\n- file: book/{LITERATURE}\n" if cited else ""
    contents.write_text(f"format: jb-book\nroot: book/{name}\n{literature}", encoding="utf-8")
    return contents


def main(name: str) -> int:
    """Build the page of this name."""
    names = sorted(file.stem for file in (ROOT / "book").glob("*.md"))
    if name not in names:
        print(f"PAGE: expected one of {', '.join(names)}; got {name!r}")
        return 2
    command: list[str | Path] = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT]
    command += ["--toc", write_contents(name), "--path-output", DRAFT, "--quiet"]
    environment = {**os.environ, "CHAPTER_DRAFT": "1"}
    built = subprocess.run(command, env=environment, check=False)
    site = DRAFT / "_build" / "html"
    file = site / "book" / f"{name}.html"
    if not file.exists():
        return 1
    page = Page(file)
    findings = [finding for finding in page.findings if not any(echo in finding.fault for echo in ECHOES)]
    for finding in findings:
        print(in_source(finding, page.words, site, ROOT))
    print(file.as_uri())
    webbrowser.open(file.as_uri())
    return int(bool(built.returncode or findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
