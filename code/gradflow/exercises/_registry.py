"""All checks by name, and the two functions a reader calls."""

from __future__ import annotations

import difflib
import importlib
import re
from pathlib import Path
from typing import Any, Protocol

from gradflow.exercises._function import FunctionCheck
from gradflow.exercises._quiz import NumberCheck
from gradflow.exercises._titles import check_titles, page_title
from gradflow.exercises._verdict import Status, Verdict

ALL_NAMES = "Все имена показывает status()."


class Check(Protocol):
    """What the registry holds."""

    @property
    def name(self) -> str: ...

    def check(self, answer: object) -> Verdict: ...


_checks: dict[str, list[Check]] = {}  # page → its checks, filled while the page's module is imported
_done: set[str] = set()

_FOLDER = Path(__file__).parent
_REGISTERED = re.compile(r'^(?:number|choice|function)\(\s*"([^"]+)"', re.MULTILINE)


def register(page: str, entry: Check) -> None:
    """Add a check to the page whose module registers it."""
    entries = _checks.setdefault(page, [])
    if any(entry.name == other.name for others in _checks.values() for other in others):
        raise ValueError(f"name: {entry.name!r} is taken")
    entries.append(entry)


def page_names() -> list[str]:
    """Pages that have checks, in alphabetical order."""
    return sorted(file.stem for file in _FOLDER.glob("[!_]*.py"))


def checks_of(page: str) -> list[Check]:
    """Checks of one page in their order; no other page's module is imported."""
    if page not in _checks:
        importlib.import_module(f"{__package__}.{page}")
    return _checks.get(page, [])


def checks_by_page() -> dict[str, list[Check]]:
    """Checks of every page."""
    return {page: checks_of(page) for page in page_names()}


def find(name: str) -> Check | None:
    """The check with this name, or None; only the module whose source registers the name is imported."""
    for entries in list(_checks.values()):
        for entry in entries:
            if entry.name == name:
                return entry
    for page in page_names():
        if page not in _checks and name in _REGISTERED.findall((_FOLDER / f"{page}.py").read_text(encoding="utf-8")):
            return next((entry for entry in checks_of(page) if entry.name == name), None)
    return None


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
        known = [entry.name for entries in checks_by_page().values() for entry in entries]
        close = ", ".join(f"«{other}»" for other in difflib.get_close_matches(str(name), known))
        return Verdict(False, f"Задачи с именем «{name}» нет. {f'Есть похожие: {close}.' if close else ALL_NAMES}")
    if isinstance(entry, NumberCheck) and isinstance(answer, (tuple, list, dict)) and len(parts := _parts(entry)) > 1:
        return Verdict(False, f"У каждой части этой задачи своё имя: {', '.join(f'«{part}»' for part in parts)}.")
    verdict = entry.check(answer)
    if verdict.passed:
        _done.add(entry.name)
    return verdict


def example(name: str, number: int) -> tuple[Any, ...]:
    """Arguments with which a check calls the answer: those that its message names.

    Args:
        name: of an exercise with code.
        number: as the message gives it, from 0.

    Raises:
        ValueError: there is no such exercise or no such call.
    """
    entry = find(str(name).removeprefix("ex-"))
    if not isinstance(entry, FunctionCheck):
        raise ValueError(f"name: expected the name of an exercise with code, got {name!r}")
    try:
        return entry.example(number)
    except (IndexError, TypeError):
        raise ValueError(f"number: expected the number of a call of {name}, got {number!r}") from None


def _parts(entry: Check) -> list[str]:
    """Names of the numbers and choices of the exercise that the entry belongs to."""
    page = next(name for name, entries in _checks.items() if entry in entries)
    names = [other.name for other in _checks[page] if not isinstance(other, FunctionCheck)]
    return [name for name in names if name.startswith(entry.name) or entry.name.startswith(name)]


def status(page: str | None = None) -> Status:
    """Which exercises have been passed in this session: of one page, or of the whole book.

    Raises:
        ValueError: no page has this name.
    """
    if page is not None and page not in page_names():
        raise ValueError(f"page: expected one of {', '.join(page_names())}, got {page!r}")
    chosen = checks_by_page() if page is None else {page: checks_of(page)}
    titles = {key: page_title(key) for key in chosen}
    for key in chosen:
        titles |= check_titles(key)
    return Status({key: [(e.name, e.name in _done) for e in entries] for key, entries in chosen.items()}, titles)
