"""For the tests of the book itself: where the built site is, and small copies of the book to build."""

import os
import re
import shutil
import subprocess
import sys
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


def small_book(folder: Path, page: str) -> Path:
    """Make a book of one page with the configuration, the extensions and the package of the real one."""
    for name in CONFIGURATION:
        copy(name, folder / name)
    copy("book/references.bib", folder / "book" / "references.bib")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/page\n", encoding="utf-8")
    (folder / "book" / "page.md").write_text(page, encoding="utf-8")
    return folder


def build(book: Path) -> tuple[bool, str]:
    """Build a book and check the result, as ``make book`` does: did it pass, and what was printed."""
    environment = {**os.environ, "PYTHONPATH": str(book / "code")}
    printed = ""
    for command in (
        [Path(sys.executable).with_name("jupyter-book"), "build", ".", "-W", "-n", "--keep-going"],
        [sys.executable, "book/_ext/check_site.py", "_build/html"],
    ):
        run = subprocess.run(command, cwd=book, env=environment, capture_output=True, text=True, check=False)
        printed += re.sub(r"\x1b\[[\d;]*m", "", run.stdout + run.stderr)
        if run.returncode:
            return False, printed
    return True, printed
