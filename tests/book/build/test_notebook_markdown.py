"""The full notebook of a page is plain Markdown, runs without Jupyter Book, and its first cell brings the package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sphinx.errors import ConfigError

from bookmaker import ROOT
from chapter.executed_notebooks import _GLUE
from chapter.first_cell import first_cell
from chapter.notebook_markdown import glued_values, page_markdown
from gradflow.book import glue, gluing
from gradflow.exercises._source import blocks

NUMBERS = {"thm-x": "3", "fig-x": "4", "ex-x": "5", "equation-eq-x": "6"}
RAW = re.compile(r"\{[\w:-]+\}`|^\s*(?:> )*(?::{3,}|`{3,})\{|^\([\w-]+\)=", re.MULTILINE)
PAGES = [path for path in sorted((ROOT / "book").glob("*.md")) if "{code-cell}" in path.read_text(encoding="utf-8")]


def plain(source: str) -> str:
    return page_markdown(source, lambda role, words, target: f"[{role}|{words}|{target}]", NUMBERS, {"n": "2,5"})


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("(sec-x)=\n# Глава", "# Глава"),
        ("Вот {glue:text}`n` и {numref}`рис. {number} <fig-x>`.", "Вот 2,5 и [numref|рис. {number}|fig-x]."),
        ("$$\na=b\n$$ (eq-x)", "$$\na=b\n\\tag{6}\n$$"),
        ("$$\na=b\n$$ (eq-y)", "$$\na=b\n$$"),
        (":::{prf:theorem} Имя\n:label: thm-x\nПусть.\n:::", "> **Теорема 3 (Имя).** Пусть."),
        (":::{prf:proof}\nПонятно. ∎\n:::", "**Доказательство.** Понятно. ∎"),
        (":::{admonition} Угадайте\n:class: tip\nЧто?\n:::", "> **Угадайте**\n>\n> Что?"),
        (":::{important}\nДа.\n:::", "> **Важно**\n>\n> Да."),
        ("```{chart} fig-x\n:alt: Растёт.\nПодпись.\n```", "**Рис. 4.** Подпись."),
        (":::{dropdown} Ответ\nДа.\n:::", "<details><summary>Ответ</summary>\n\nДа.\n\n</details>"),
        ("```python\nf\"{a}`b`\"\n```", "```python\nf\"{a}`b`\"\n```"),
        (":::{solution-start} ex-x\n:::\n\nТак.", "**Решение**\n\nТак."),
        (":::{something-new} x\n:option: y\nТекст.\n:::", "Текст."),
        (
            "::::{exercise} Имя\n:label: ex-x\n:level: код\n:minutes: 5\n:hand-in: число.\nСколько?\n\n"
            ":::{quiz} x\nЧисло:\n:::\n::::",
            '**Задача 5. Имя**\n\n*код, 5 минут*\n\nСколько?\n\nЧисло:\n\nОтвет проверит `check("x", "…")`.\n\n'
            "**Что сдать:** число.",
        ),
    ],
)  # fmt: skip
def test_directive_becomes_plain_markdown(source: str, wanted: str) -> None:
    assert plain(source) == wanted


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_page_leaves_a_role_or_a_directive(path: Path) -> None:
    parts = path.read_text(encoding="utf-8").split("---\n", 2)[2]
    kept = [line for block in blocks(parts) if block.name == "code-cell" for line in block.content.splitlines()]
    told = "\n\n".join(_without_cells(parts))
    assert RAW.search(told), "nothing to convert"
    assert not RAW.search(plain(told)) and kept


def _without_cells(source: str) -> list[str]:
    return re.split(r"^```\{code-cell\}.*?^```$", source, flags=re.MULTILINE | re.DOTALL)


def test_glued_texts_are_found_whether_they_are_shown_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[dict[str, Any]] = []

    def show(data: dict[str, Any], raw: bool, metadata: dict[str, Any]) -> None:
        outputs.append({"data": data, "metadata": metadata})

    monkeypatch.setattr(gluing, "show", show)
    glue("shown", 2.5)
    glue("hidden", "2,5", display=False)
    assert glued_values([*outputs, {"text": "2,5"}]) == {"shown": "2.5", "hidden": "2,5"}


def test_import_of_glue_is_exchanged() -> None:
    assert _GLUE.sub("x", "import torch\nfrom myst_nb import glue\n") == "import torch\nx\n"


def run(cell: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a cell in an interpreter that has the standard library alone."""
    return subprocess.run(
        [sys.executable, "-S", "-c", cell], cwd=folder, env={"PATH": ""}, capture_output=True, text=True, check=False
    )


def test_first_cell_says_in_plain_words_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPOSITORY_URL", raising=False)
    done = run(first_cell(), tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "Пакета gradflow здесь нет" in done.stderr and "pip install -r requirements.txt" in done.stderr
    (tmp_path / "gradflow.py").touch()
    assert run(first_cell(), tmp_path).returncode == 0


@pytest.mark.parametrize("url", ["https://git.example/a/b", "https://git.example/a/b.git/", "https://git.example/a/b/"])
def test_first_cell_installs_from_the_repository(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPOSITORY_URL", url)
    installer = tmp_path / "pip.py"  # in place of pip: notes what it is asked for, and makes the package
    installer.write_text("import pathlib, sys\npathlib.Path('gradflow.py').write_text(repr(sys.argv[1:]))\n")
    assert run(first_cell() + "\nimport gradflow", tmp_path).returncode == 0
    made = tmp_path / "gradflow.py"
    assert "'git+https://git.example/a/b'" in made.read_text()
    made.write_text("")
    assert run(first_cell(), tmp_path).returncode == 0 and made.read_text() == ""  # it is there already
    made.unlink()
    installer.write_text("raise SystemExit(1)")
    failed = run(first_cell(), tmp_path)
    assert "не поставился" in failed.stderr and "Traceback" not in failed.stderr


def test_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPOSITORY_URL", "a/b")
    with pytest.raises(ConfigError, match="REPOSITORY_URL"):
        first_cell()
