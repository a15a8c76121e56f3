"""Tools for whoever teaches: ``python -m gradflow.exercises grade FOLDER`` and ``… sheet NAME… --out sheet.ipynb``."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from gradflow.exercises._sheet import BUILT, make_sheet

RIGHTS = """Код студентов исполняется с вашими правами: он может читать и менять ваши файлы и выходить в сеть.
То же в контейнере без сети (образ собирает «docker build -t gradflow .» в папке книги):
  {}"""
CONTAINER = (
    "docker run --rm --network none --memory 8g -v {folder}:/class:ro -v {here}:/out -w /out gradflow grade /class"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m gradflow.exercises")
    commands = parser.add_subparsers(required=True, metavar="КОМАНДА")
    grade = commands.add_parser("grade", help="проверить папку блокнотов")
    grade.add_argument("folder", type=Path, metavar="FOLDER", help="папка; в ней блокноты или папки студентов")
    grade.add_argument("--out", type=Path, default=Path("grades"), help="куда: grades даст grades.csv и grades.html")
    grade.add_argument("--seconds", type=_positive, default=60, help="предел на клетку, секунды (60)")
    grade.add_argument("--minutes", type=_positive, default=10, help="предел на блокнот, минуты (10)")
    grade.add_argument("--gib", type=_positive, default=4, help="предел памяти на блокнот, ГиБ (4; только Linux)")
    grade.add_argument("--compare", action="store_true", help="показать, у кого ответы совпадают")
    grade.set_defaults(run=_grade)
    sheet = commands.add_parser("sheet", help="составить листочек из выбранных задач")
    sheet.add_argument("names", nargs="+", metavar="NAME", help="имена задач, как на странице")
    sheet.add_argument("--out", type=Path, required=True, help="файл листочка")
    sheet.add_argument("--sheets", type=Path, default=BUILT, help="папка с листочками книги (из собранной книги)")
    sheet.set_defaults(run=_sheet)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        raise SystemExit(f"{parser.prog}: {error}") from None


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _grade(options: argparse.Namespace) -> None:
    try:
        from tqdm import tqdm

        from gradflow.exercises._grading import GIB, Limits, grade_file
    except ModuleNotFoundError as error:
        raise SystemExit(f"Не хватает пакета {error.name}: поставьте «pip install 'gradflow[grading]'».") from None
    from gradflow.exercises._marks import Submission, all_entries, marks, notebooks_in, student_of
    from gradflow.exercises._report import write_csv, write_page
    from gradflow.exercises._snapshot import Snapshot

    notebooks, skipped = notebooks_in(options.folder)
    places = {"folder": shlex.quote(str(options.folder.resolve())), "here": shlex.quote(str(Path.cwd()))}
    print(RIGHTS.format(CONTAINER.format(**places)), file=sys.stderr)
    limits = Limits(options.seconds, 60 * options.minutes, int(options.gib * GIB))
    entries, snapshot = all_entries(), Snapshot()
    exercises = {check: entry.name for entry in entries for check in entry.checks}
    submissions = []
    for path in (bar := tqdm(notebooks, unit="блокнот")):
        file = path.relative_to(options.folder)
        bar.set_description(student_of(file))
        submissions.append(Submission(student_of(file), str(file), grade_file(path, exercises, limits, snapshot)))
    table = marks(submissions, entries, options.compare)
    page = options.out.with_name(f"{options.out.name}.html")
    rows = options.out.with_name(f"{options.out.name}.csv")
    write_csv(rows, table, options.compare)
    write_page(page, table, submissions, [str(path.relative_to(options.folder)) for path in skipped], options.compare)
    print(f"{rows}\n{page}")


def _sheet(options: argparse.Namespace) -> None:
    notebook = make_sheet(options.names, options.sheets, options.out.stem)
    options.out.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(options.out)


if __name__ == "__main__":
    main()
