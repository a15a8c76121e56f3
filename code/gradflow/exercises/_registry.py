"""All checks by name, and the two functions a reader calls."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import Protocol

from gradflow.exercises._verdict import Status, Verdict

ALL_NAMES = "Все имена показывает status()."


class Check(Protocol):
    """What the registry holds."""

    @property
    def name(self) -> str: ...

    def check(self, answer: object) -> Verdict: ...


_pages: dict[str, list[Check]] = {}
_loaded: list[str] = []
_done: set[str] = set()


def register(page: str, entry: Check) -> None:
    """Add a check to the page whose module registers it."""
    entries = _pages.setdefault(page, [])
    if any(entry.name == other.name for others in _pages.values() for other in others):
        raise ValueError(f"name: {entry.name!r} is taken")
    entries.append(entry)


def pages() -> dict[str, list[Check]]:
    """Checks of every page, in the order of their modules."""
    if not _loaded:
        package = importlib.import_module("gradflow.exercises")
        for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
            if not module.name.startswith("_"):
                importlib.import_module(f"gradflow.exercises.{module.name}")
                _loaded.append(module.name)
    return {page: _pages.get(page, []) for page in _loaded}


def find(name: str) -> Check | None:
    """The check with this name, or None."""
    return next((entry for entries in pages().values() for entry in entries if entry.name == name), None)


def check(name: str, answer: object) -> Verdict:
    """Check an answer to the exercise ``name``.

    Args:
        name: the name the page shows beside the exercise.
        answer: a number or its spelling («4,9e8»), a letter or letters of a choice, or a function,
            whatever the exercise asks to hand in.

    Returns:
        A verdict; an answer that raises, hangs or prints is reported in its message.
    """
    entry = find(str(name).removeprefix("ex-"))
    if entry is None:
        known = [entry.name for entries in pages().values() for entry in entries]
        close = ", ".join(f"«{other}»" for other in difflib.get_close_matches(str(name), known))
        return Verdict(False, f"Задачи с именем «{name}» нет. {f'Есть похожие: {close}.' if close else ALL_NAMES}")
    verdict = entry.check(answer)
    if verdict.passed:
        _done.add(entry.name)
    return verdict


def status(page: str | None = None) -> Status:
    """Which exercises have been passed in this session: of one page, or of the whole book.

    Raises:
        ValueError: no page has this name.
    """
    known = pages()
    if page is not None and page not in known:
        raise ValueError(f"page: expected one of {', '.join(known)}, got {page!r}")
    chosen = known if page is None else {page: known[page]}
    return Status({key: [(e.name, e.name in _done) for e in entries] for key, entries in chosen.items()})
