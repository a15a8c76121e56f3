"""Every mistake of an author fails the build, again when it is repeated, with one message: file, line, cure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bookmaker import KERNEL, build, small_book
from build.faults import CHECK, PAGES, Page

BROKEN_WORK = """@article{broken,
  author = {Кто-то},
  title = {Без конца,
}

@article{next2000,
  author = {Кто-то}
}
"""
INDEX = "(sec-index)=\n# Начало\n\nБез ошибок.\n\n:::{glossary}\nградиент\n  Вектор производных.\n:::\n"
OTHERS = {
    "_toc.yml": ("- file: book/nowhere", "there is no file book/nowhere.md"),
    "book/Другая.md": ("(sec-other)", "write it with a–z, 0–9, _"),
    "book/orphan.md": ("# Забытая", "is not in _toc.yml"),
    "book/references.bib": ("@article{unused2000", "nobody cites unused2000"),
    "book/broken.bib": ("", "the entry cannot be read"),
    "book/binary.md": ("Не", "is not UTF-8"),
}
MESSAGE = re.compile(r"^(/\S+?)(?::(\d+))?: (?:WARNING|ERROR|CRITICAL): (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of which every page but the first has faults."""
    pages = {page.file: page.text for page in PAGES}
    folder = small_book(tmp_path_factory.mktemp("faults"), index=KERNEL + INDEX, **pages)
    for page in PAGES:
        checks = [CHECK.format(name=name) for name in page.faults if name.startswith("sum-")]
        if checks:
            module = folder / "code" / "gradflow" / "exercises" / f"{page.file}.py"
            module.write_text("\n".join(checks), encoding="utf-8")
    with (folder / "_toc.yml").open("a", encoding="utf-8") as contents:
        contents.write("- file: book/binary\n- file: book/nowhere\n- file: book/Другая\n")
    (folder / "book" / "Другая.md").write_text("(sec-other)=\n# Другая\n\nТекст.\n", encoding="utf-8")
    (folder / "book" / "orphan.md").write_text("# Забытая\n", encoding="utf-8")
    (folder / "book" / "binary.md").write_bytes("(sec-b)=\n# Страница\n\nНе UTF-8.\n".encode("cp1251"))
    with (folder / "book" / "references.bib").open("a", encoding="utf-8") as works:
        works.write("@article{unused2000,\n author = {Кто-то},\n title = {Что-то},\n year = {2000}\n}\n")
    (folder / "book" / "broken.bib").write_text(BROKEN_WORK, encoding="utf-8")
    config = folder / "_config.yml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("[book/references.bib]", "[book/references.bib, book/broken.bib]"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def reports(book: Path) -> list[tuple[bool, dict[str, list[tuple[int, str]]]]]:
    """What the strict build says, and what a plain build says after it: by file, the lines and the messages."""
    said = []
    for strictly in (True, False):
        passed, printed = build(book, strictly)
        (book.parent / f"faults-{strictly}.log").write_text(printed, encoding="utf-8")
        found: dict[str, list[tuple[int, str]]] = {}
        for file, line, message in MESSAGE.findall(printed):
            found.setdefault(Path(file).relative_to(book).as_posix(), []).append((int(line or 0), message))
        said.append((passed, found))
    return said


def line_of(text: str, words: str) -> int:
    """The number of the line where the words first stand."""
    return text[: text.index(words)].count("\n") + 1


def test_both_builds_fail(reports: list[tuple[bool, dict[str, list[tuple[int, str]]]]]) -> None:
    assert [passed for passed, _ in reports] == [False, False]


def test_faultless_page_is_not_blamed(reports: list[tuple[bool, dict[str, list[tuple[int, str]]]]]) -> None:
    assert [found.get("book/index.md", []) for _, found in reports] == [[], []]


@pytest.mark.parametrize(
    ("page", "name"), [pytest.param(page, name, id=name) for page in PAGES for name in page.faults]
)
def test_fault_of_a_page_is_told_once_where_it_is(
    page: Page, name: str, reports: list[tuple[bool, dict[str, list[tuple[int, str]]]]]
) -> None:
    line = page.line_of(name)
    for _, found in reports:
        said = found.get(f"book/{page.file}.md", [])
        here = [message for number, message in said if number == line]
        assert len(here) == 1 and page.faults[name].message in here[0], (line, said)


def test_nothing_else_is_said_of_a_page(reports: list[tuple[bool, dict[str, list[tuple[int, str]]]]]) -> None:
    for page in PAGES:
        lines = {page.line_of(name) for name in page.faults}
        for _, found in reports:
            assert [said for said in found.get(f"book/{page.file}.md", []) if said[0] not in lines] == [], page.name


@pytest.mark.parametrize(("file", "words"), OTHERS.items(), ids=OTHERS)
def test_fault_of_the_book_is_told_once_where_it_is(
    file: str, words: tuple[str, str], book: Path, reports: list[tuple[bool, dict[str, list[tuple[int, str]]]]]
) -> None:
    for _, found in reports:
        said = found.get(file, [])
        assert len(said) == 1, said
        assert words[1] in said[0][1]
        if words[0] and file != "book/binary.md":
            assert said[0][0] == line_of((book / file).read_text(encoding="utf-8"), words[0])
