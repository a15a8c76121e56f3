"""Grade a folder: which file is whose, and what each student has solved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradflow.exercises._grading import Graded
from gradflow.exercises._handed_in import looks_like_a_notebook
from gradflow.exercises._registry import checks_of, page_names
from gradflow.exercises._titles import exercises_of

LEFT_OUT = {"__MACOSX", "__pycache__"}


@dataclass(frozen=True)
class Entry:
    """An exercise as the table knows it: its name and title, its minutes if a page tells them, its checks."""

    name: str
    title: str
    minutes: int | None
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Submission:
    """A notebook of a student and what came of it."""

    student: str
    file: str
    graded: Graded


@dataclass(frozen=True)
class Mark:
    """One student, one exercise; ``passed`` is None where his sheet does not hold it."""

    student: str
    entry: Entry
    passed: bool | None
    message: str
    same: tuple[str, ...] = ()  # students whose code has an equal syntax tree, if that was asked for


def all_entries() -> list[Entry]:
    """The exercises of all pages; where the pages are not at hand, every check is an exercise of its own."""
    entries = []
    for page in page_names():
        told = [
            Entry(exercise.name, exercise.title, int(exercise.options["minutes"]), tuple(exercise.checks))
            for exercise in exercises_of(page)
        ]
        known = {name for entry in told for name in entry.checks}
        names = [check.name for check in checks_of(page)]
        entries += told + [Entry(name, name, None, (name,)) for name in names if name not in known]
    return entries


def notebooks_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Notebooks of a folder and of those in it, whatever their names end with; and the files that are none.

    Raises:
        ValueError: it is no folder, or it holds no notebook.
    """
    if not folder.is_dir():
        raise ValueError(f"folder: expected a folder with notebooks, got {str(folder)!r}")
    inside = [path for path in sorted(folder.rglob("*")) if path.is_file() or path.is_symlink()]
    files = [path for path in inside if not any(_is_left_out(part) for part in path.relative_to(folder).parts)]
    notebooks = [path for path in files if not path.is_symlink() and looks_like_a_notebook(path)]
    if not notebooks:
        raise ValueError(f"folder: expected a folder with notebooks, found none in {str(folder)!r}")
    return notebooks, [path for path in files if path not in notebooks]


def _is_left_out(part: str) -> bool:
    return part.startswith(".") or part in LEFT_OUT


def student_of(file: Path) -> str:
    """Whose notebook it is, from its path inside the folder: his folder's name, or that of the file."""
    return file.parts[0] if len(file.parts) > 1 else file.stem


def marks(submissions: Sequence[Submission], entries: Sequence[Entry], compare: bool) -> list[Mark]:
    """Every student's mark in every exercise that some sheet of the class holds.

    Args:
        submissions: all notebooks.
        entries: all exercises of the book.
        compare: look for equal code.
    """
    by_student: dict[str, list[Submission]] = defaultdict(list)
    for submission in submissions:
        by_student[submission.student].append(submission)
    used = {name for submission in submissions for name in submission.graded.verdicts}
    asked = [entry for entry in entries if used & set(entry.checks)]
    same = _equal_code(submissions) if compare else {}
    return [_mark(student, theirs, entry, same) for student, theirs in by_student.items() for entry in asked]


def _mark(student: str, theirs: Iterable[Submission], entry: Entry, same: dict[tuple[str, str], set[str]]) -> Mark:
    theirs = list(theirs)
    found = {}
    for name in entry.checks:
        verdicts = [s.graded.verdicts[name] for s in theirs if name in s.graded.verdicts]
        if verdicts:
            found[name] = next((verdict for verdict in verdicts if verdict.passed), verdicts[0])
    alike = tuple(sorted(set().union(*(same.get((student, name), set()) for name in entry.checks))))
    if not found:
        broken = [trouble for s in theirs if not s.graded.verdicts for trouble in s.graded.troubles]
        return Mark(student, entry, False if broken else None, broken[0] if broken else "В листочке этой задачи нет.")
    missing = {name: "Клеток этой части в блокноте нет." for name in entry.checks if name not in found}
    lines = {name: f"{verdict.mark} {name}: {verdict.message}" for name, verdict in found.items()}
    lines |= {name: f"✗ {name}: {text}" for name, text in missing.items()}
    only = len(entry.checks) == 1
    message = found[entry.checks[0]].message if only else "\n".join(lines[name] for name in entry.checks)
    return Mark(student, entry, all(v.passed for v in found.values()) and not missing, message, alike)


def _equal_code(submissions: Iterable[Submission]) -> dict[tuple[str, str], set[str]]:
    """For a student and a check, the other students whose answering function has an equal syntax tree."""
    writers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for student, check, code in _codes(submissions):
        writers[check, code].add(student)
    return {(one, check): others - {one} for (check, _), others in writers.items() for one in others if others - {one}}


def _codes(submissions: Iterable[Submission]) -> Iterator[tuple[str, str, str]]:
    for submission in submissions:
        notebook = submission.graded.notebook
        if notebook is not None:
            for check, question in notebook.questions().items():
                if code := notebook.code(question):
                    yield submission.student, check, code
