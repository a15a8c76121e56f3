"""The marks of a class as a CSV file and as a page of HTML, in Russian."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from gradflow.exercises._marks import Mark, Submission

HEAD = ["студент", "задача", "название", "решена", "сообщение", "минуты"]
SAME = "совпадает"
WORDS = {True: "да", False: "нет", None: "—"}
SAME_NOTE = (
    "«Совпадает» значит только, что синтаксические деревья двух ответов равны. Короткий ответ часто один на всех; "
    "выводов из этого страница не делает."
)

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: 0 auto; padding: 1rem;
  color: #1f2328; background: #fff; }
a { color: #0a58ca; }
.scroll { overflow-x: auto; position: relative; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border: 1px solid #767c85; padding: .3rem .6rem; text-align: left; vertical-align: top; }
.marks td { text-align: center; }
.marks th:first-child { position: sticky; left: 0; background: #fff; }
.marks td a { display: block; text-decoration: none; font-size: 1.25rem; min-width: 1.5rem; }
.message { white-space: pre-line; overflow-wrap: anywhere; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117; } a { color: #79b8ff; }
  .marks th:first-child { background: #0d1117; } }
"""


def write_csv(file: Path, marks: Iterable[Mark], compare: bool) -> None:
    """Write one line for each student and exercise; a Russian Excel wants semicolons and the mark of UTF-8."""
    with file.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow([*HEAD, SAME] if compare else HEAD)
        for mark in marks:
            entry = mark.entry
            row = [mark.student, entry.name, entry.title, WORDS[mark.passed], mark.message, str(entry.minutes or "")]
            writer.writerow([_no_formula(cell) for cell in ([*row, ", ".join(mark.same)] if compare else row)])


def _no_formula(cell: str) -> str:
    """A cell that a spreadsheet takes for text, whatever a student has written into it."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def write_page(
    file: Path, marks: Sequence[Mark], submissions: Sequence[Submission], skipped: Sequence[str], compare: bool
) -> None:
    """Write the page: who has solved what, each student's messages, and what happened to the files."""
    by_student: dict[str, list[Mark]] = defaultdict(list)
    for submission in submissions:
        by_student[submission.student] = []
    for mark in marks:
        by_student[mark.student].append(mark)
    students = list(by_student)
    parts = [
        "<h1>Проверка блокнотов</h1>",
        f"<p>Студентов: {len(students)}. Блокнотов: {len(submissions)}.</p>",
        _overview(by_student),
        f"<p>{SAME_NOTE}</p>" if compare else "",
        "<h2>По студентам</h2>",
        *(_student(number, name, by_student[name], compare) for number, name in enumerate(students, start=1)),
        "<h2>Блокноты</h2>",
        _files(submissions),
        f"<p>Пропущены, это не блокноты: {escape(', '.join(skipped))}.</p>" if skipped else "",
    ]
    body = "\n".join(part for part in parts if part)
    file.write_text(
        f'<!DOCTYPE html>\n<html lang="ru">\n<head>\n<meta charset="utf-8">\n<title>Проверка блокнотов</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        encoding="utf-8",
    )


def _overview(by_student: dict[str, list[Mark]]) -> str:
    entries = [mark.entry for mark in next(iter(by_student.values()), [])]
    head = [f'<th scope="col">{escape(entry.title)}</th>' for entry in entries]
    rows = []
    for number, (student, theirs) in enumerate(by_student.items(), start=1):
        cells = [
            f'<td><a href="#s{number}-{escape(mark.entry.name)}">{_sign(mark)}</a></td>' if mark.passed is not None
            else f"<td>{_sign(mark)}</td>" for mark in theirs
        ]  # fmt: skip
        solved = [mark for mark in theirs if mark.passed]
        minutes = sum(mark.entry.minutes or 0 for mark in solved)
        rows.append(f'<th scope="row">{escape(student)}</th><td>{len(solved)}</td><td>{minutes}</td>{"".join(cells)}')
    columns = [*(f'<th scope="col">{name}</th>' for name in ("Студент", "Решено", "Минут")), *head]
    note = "<p>Минуты — сколько времени книга отводит на решённые задачи.</p>"
    return _table("Кто что решил", columns, rows, "marks") + note


def _sign(mark: Mark) -> str:
    """A sign to look at and a word to hear."""
    signs = {True: ("✓", "решена"), False: ("✗", "не решена"), None: ("—", "нет в листочке")}
    sign, word = signs[mark.passed]
    return f'<span aria-hidden="true">{sign}</span><span class="hidden">{word}</span>'


def _student(number: int, student: str, theirs: Sequence[Mark], compare: bool) -> str:
    head = ["Задача", "Решена", "Сообщение", "Минуты", *(["Совпадает"] if compare else [])]
    rows = [
        f'<th scope="row" id="s{number}-{escape(mark.entry.name)}">{escape(mark.entry.title)}</th>'
        f"<td>{WORDS[mark.passed]}</td>"
        f'<td class="message">{escape(mark.message)}</td><td>{mark.entry.minutes or ""}</td>'
        + (f"<td>{escape(', '.join(mark.same))}</td>" if compare else "")
        for mark in theirs
        if mark.passed is not None
    ]
    columns = [f'<th scope="col">{name}</th>' for name in head]
    return f"<h3>{escape(student)}</h3>" + _table(f"Задачи: {student}", columns, rows)


def _files(submissions: Iterable[Submission]) -> str:
    rows = []
    for submission in submissions:
        graded = submission.graded
        sheet = graded.notebook.sheet if graded.notebook else ""
        told = "\n".join(graded.troubles) or "без замечаний"
        rows.append(
            f'<th scope="row">{escape(submission.file)}</th><td>{escape(submission.student)}</td>'
            f"<td>{escape(sheet) or '—'}</td><td>{graded.seconds:.0f}</td>"
            f'<td class="message">{escape(told)}</td>'
        )
    columns = [f'<th scope="col">{name}</th>' for name in ("Файл", "Студент", "Листочек", "Секунд", "Что случилось")]
    return _table("Как исполнялись", columns, rows)


def _table(caption: str, columns: Iterable[str], rows: Iterable[str], kind: str = "") -> str:
    """A table in a box that scrolls by itself and can be reached with the keyboard."""
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">\n<table class="{kind}">\n'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{''.join(columns)}</tr></thead>\n<tbody>\n{body}\n</tbody>\n"
        "</table>\n</div>"
    )
