"""The section that CONTRIBUTING.md offers to copy builds, its checks work, and its tests pass."""

import re
import sys
from pathlib import Path

import pytest

from bookmaker import ROOT, build, copy, run, small_book

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGE = re.findall(r"^````markdown\n(.*?)^````$", TEXT, re.MULTILINE | re.DOTALL)[0]
CHECKS, TESTS = re.findall(r"^```python\n(.*?)^```$", TEXT.replace(PAGE, ""), re.MULTILINE | re.DOTALL)
NAME = "halving"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of that section alone."""
    folder = small_book(tmp_path_factory.mktemp("contributing"), **{NAME: PAGE})
    (folder / "code" / "gradflow" / "exercises" / f"{NAME}.py").write_text(CHECKS, encoding="utf-8")
    copy("tests/exercises/tables.py", folder / "tests" / "tables.py")
    (folder / "tests" / f"test_{NAME}.py").write_text(TESTS, encoding="utf-8")
    return folder


def test_section_builds(book: Path) -> None:
    passed, printed = build(book)
    assert passed, printed


def test_section_passes_its_tests(book: Path) -> None:
    passed, printed = run(book, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert passed, printed


def test_every_path_that_it_names_exists() -> None:
    paths = re.findall(r"`((?:book|code|tests)/[\w./]+)`", TEXT)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
