"""Two clean builds of the book in two folders are identical to the byte."""

from pathlib import Path

from bookmaker import SITE, build, copy

SOURCES = ["_config.yml", "_toc.yml", "requirements.txt", "constraints.txt", "book", "code"]


def files(site: Path) -> dict[str, bytes]:
    """Return every file of a site by its name."""
    return {file.relative_to(site).as_posix(): file.read_bytes() for file in site.rglob("*") if file.is_file()}


def test_build_in_another_folder_is_identical(tmp_path: Path) -> None:
    for name in SOURCES:
        copy(name, tmp_path / "another" / name)
    passed, log = build(tmp_path / "another")
    assert passed, log
    here, there = files(SITE), files(tmp_path / "another" / "_build" / "html")
    assert sorted(here) == sorted(there)
    assert [name for name in here if here[name] != there[name]] == []
