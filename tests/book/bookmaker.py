"""For the tests of the book itself: where the built site is, and small copies of the book to build."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"
SAMPLE = (ROOT / "tests" / "book" / "build" / "sample.md").read_text(encoding="utf-8")
CONFIGURATION = [
    "_config.yml",
    "requirements.txt",
    "constraints.txt",
    "code",
    "book/_ext",
    "book/_static",
    "book/matplotlibrc",
]

KERNEL = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""


def pages() -> list[str]:
    """Return the addresses of all pages of the built site."""
    found = sorted(file.relative_to(SITE).as_posix() for file in SITE.rglob("*.html") if "_static" not in file.parts)
    if not found:
        raise pytest.UsageError("there is no built book to test: run `make book` first")
    return found


def copy(source: str, target: Path) -> None:
    """Copy a file or a folder of the repository, without what Python left in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    else:
        shutil.copy(ROOT / source, target)


def cited_entries(texts: Iterable[str]) -> str:
    """Return the entries of the real bibliography that some pages cite, so that none is left over."""
    entries = re.split(r"\n(?=@)", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"))
    keys = {
        key.strip() for text in texts for keys in re.findall(r"\{cite[^}]*\}`([^`]+)`", text) for key in keys.split(",")
    }
    return (
        "\n".join(entry for entry in entries if any(entry.partition(",")[0].endswith("{" + key) for key in keys)) + "\n"
    )


def small_book(folder: Path, *pages: str, **named: str) -> Path:
    """Make a book of a few pages with the configuration, the extensions and the package of the real one.

    The first page is called ``page`` unless it has a name.
    """
    texts = {**{"page" if not number else f"page{number}": text for number, text in enumerate(pages)}, **named}
    for name in CONFIGURATION:
        copy(name, folder / name)
    first, *others = [f"book/{name}" for name in texts]
    contents = f"format: jb-book\nroot: {first}\n"
    if others:
        contents += "chapters:\n" + "".join(f"- file: {name}\n" for name in others)
    (folder / "_toc.yml").write_text(contents, encoding="utf-8")
    (folder / "book" / "references.bib").write_text(cited_entries(texts.values()), encoding="utf-8")
    for name, text in texts.items():
        (folder / "book" / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


def environment_of(book: Path) -> dict[str, str]:
    """Return the environment of commands in a book."""
    return {**os.environ, "PYTHONPATH": str(book / "code"), "BROWSER": "true"}


def without_colours(printed: str) -> str:
    """Return what was printed on a terminal as plain text."""
    return re.sub(r"\x1b\[[\d;]*m", "", printed)


def run(book: Path, *command: str | Path) -> tuple[bool, str]:
    """Run a command in a book: did it pass, and what was printed, without colours."""
    done = subprocess.run(command, cwd=book, env=environment_of(book), capture_output=True, text=True, check=False)
    return done.returncode == 0, without_colours(done.stdout + done.stderr)


@cache
def warm_builder() -> subprocess.Popen[str]:
    """Start the process that builds books, once for all tests of a worker; it ends with its standard input."""
    program = Path(__file__).with_name("warm_builder.py")
    return subprocess.Popen(
        [sys.executable, program],
        env={**os.environ, "PYTHONPATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_jupyter_book(book: Path, *options: str) -> tuple[bool, str]:
    """Run ``jupyter-book build .`` in a book: did it pass, and what was printed, without colours."""
    builder = warm_builder()
    assert builder.stdin and builder.stdout
    with (
        tempfile.NamedTemporaryFile(encoding="utf-8", mode="r") as output,
        tempfile.NamedTemporaryFile(encoding="utf-8", mode="r") as errors,
    ):
        printed = [output.name, errors.name]
        told = {"folder": str(book), "options": options, "environment": environment_of(book), "printed": printed}
        print(json.dumps(told), file=builder.stdin, flush=True)
        return builder.stdout.readline() == "0\n", without_colours(output.read() + errors.read())


def build(book: Path, strictly: bool = True) -> tuple[bool, str]:
    """Build a book and check the result, as ``make book`` does, or build it plainly."""
    passed, printed = run_jupyter_book(book, *(["-W", "-n", "--keep-going"] if strictly else []))
    if passed and strictly:
        passed, more = run(book, sys.executable, "book/_ext/check_site.py", "_build/html")
        printed += more
    return passed, printed
