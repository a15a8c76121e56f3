"""The package knows the Russian titles of its exercises, with the book beside it or without."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gradflow.exercises import _titles, status
from gradflow.exercises._registry import page_names
from gradflow.exercises._verdict import Status
from sheets import BOOK, PAGES

ROOT = BOOK.parent


def test_status_puts_the_titles_beside_the_names() -> None:
    exercise = next(exercise for exercise in PAGES["exploding"] if len(exercise.checks) > 1)
    heading = (BOOK / "exploding.md").read_text(encoding="utf-8").split("\n# ")[1].split("\n")[0]
    told = str(status("exploding"))
    assert f"\nexploding — {heading}\n" in told
    for name in exercise.checks:
        assert f" {name} — {exercise.title}\n" in told
    assert f"<td>{heading}</td>" in status("exploding")._repr_html_()


def test_every_name_of_the_book_has_a_title() -> None:
    told = status()
    names = [name for entries in told.pages.values() for name, _ in entries]
    assert all(told.titles[name] for name in [*page_names(), *names])


def test_names_must_do_where_no_titles_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_titles, "FOLDERS", [tmp_path])
    for function in (_titles.source_of, _titles.exercises_of):
        function.cache_clear()
    assert _titles.page_title("exploding") == "" and _titles.check_titles("exploding") == {}
    assert str(Status({"exploding": [("clip", True)]})) == "Решено 1 из 1.\nexploding\n  ✓ clip"
    for function in (_titles.source_of, _titles.exercises_of):
        function.cache_clear()


def test_wheel_carries_the_pages_and_reads_them(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    copy = tmp_path / "source"
    for name in ("code", "book"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copyfile(ROOT / name, copy / name)
    build = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet", "-w", tmp_path]
    subprocess.run(build, cwd=copy, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("gradflow-*.whl"))) as wheel:
        pages = {Path(name).stem for name in wheel.namelist() if name.startswith("gradflow/exercises/pages/")}
        wheel.extractall(tmp_path / "installed")
    assert pages == set(page_names())
    code = "from gradflow.exercises import _titles; print(_titles.__file__); print(_titles.page_title('exploding'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "installed", capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(tmp_path / "installed"), "PATH": ""},
    )  # fmt: skip
    place, title = done.stdout.splitlines()
    assert str(tmp_path) in place and title == _titles.page_title("exploding")
