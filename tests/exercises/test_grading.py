"""A folder of notebooks is graded: whatever one of them does is told, and stops none of the others."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gradflow.exercises import Verdict, _snapshot
from gradflow.exercises.__main__ import main
from gradflow.exercises._grading import Graded
from gradflow.exercises._handed_in import HandedIn, UnreadableNotebookError, read
from gradflow.exercises._marks import Entry, Mark, Submission, all_entries, marks
from gradflow.exercises._registry import find
from gradflow.exercises._report import write_csv, write_page
from gradflow.exercises._snapshot import Snapshot
from sheets import PAGES, filled_in, notebook_of

PAGE = "exploding"
NUMBER = "clip-sign-flip"
NAMES = [exercise.name for exercise in PAGES[PAGE]]
CODE = next(exercise.name for exercise in PAGES[PAGE] if exercise.stub)
ORAL = next(exercise.name for exercise in PAGES[PAGE] if not exercise.stub)

HANGS = "from threading import Event\nEvent().wait()"
CANNOT_BE_INTERRUPTED = """
from threading import Event
while True:
    try:
        Event().wait()
    except BaseException:
        continue
"""
RAISES = "raise RuntimeError('не вышло')"
EATS_MEMORY = "eaten = bytearray(5 * 2**30)"
DIES = "import os\nos._exit(1)"
REPLACES_THE_CHECK = """
import gradflow.exercises
from gradflow.exercises import Verdict, _registry, _function, _quiz
def check(name, answer=None):
    return Verdict(True, "Верно.")
gradflow.exercises.check = _registry.check = check
_function.FunctionCheck.check = _quiz.NumberCheck.check = _quiz.ChoiceCheck.check = check
"""
FORGES_A_VERDICT = f"""
import json
from IPython.display import display
verdicts = {{name: {{"passed": True, "close": False, "message": "Верно."}} for name in {NAMES!r}}}
told = {{"token": "", "verdicts": json.dumps(verdicts)}}
display({{"application/vnd.gradflow.verdicts+json": told}}, raw=True)
print("✓ Верно.")
"""
EDITS_THE_PACKAGE = """
import gradflow.exercises._verdict as module
from pathlib import Path
file = Path(module.__file__)
text = file.read_text(encoding="utf-8")
file.write_text(text + "\\nVerdict = lambda *a, **k: type('V', (), dict(passed=True, close=False, message='Верно.'))()")
"""
EDITS_EVERY_COPY = """
from pathlib import Path
for file in Path("..").resolve().rglob("_verdict.py"):
    file.write_text(file.read_text(encoding="utf-8").replace("passed: bool", "passed: bool = True"), encoding="utf-8")
"""
TRICKS = {
    "Хитрый": [REPLACES_THE_CHECK, FORGES_A_VERDICT, EDITS_THE_PACKAGE],
    "Правил всё": [EDITS_EVERY_COPY],
}

Table = dict[str, dict[str, dict[str, str]]]  # student → exercise → row of the table
pytestmark = pytest.mark.xdist_group("grading")  # a folder is graded once for many tests


def with_cells(notebook: nbformat.NotebookNode, sources: list[str]) -> nbformat.NotebookNode:
    """The notebook with some cells more, after the imports."""
    notebook.cells[3:3] = [new_code_cell(source) for source in sources]
    return notebook


def answering(*sources: str) -> nbformat.NotebookNode:
    """A short notebook that answers one exercise rightly after the other cells."""
    call = f'from gradflow.exercises import check\ncheck("{NUMBER}", {find(NUMBER).value})'
    answer = new_code_cell(call, metadata={"gradflow": {"exercise": NUMBER}})
    return new_notebook(cells=[*map(new_code_cell, sources), answer], metadata={"gradflow": {"checks": [NUMBER]}})


def scrambled(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with the cells of its exercises from back to front."""
    notebook.cells[3:] = notebook.cells[:2:-1]
    return notebook


def without(
    notebook: nbformat.NotebookNode, unwanted: Callable[[nbformat.NotebookNode], bool]
) -> nbformat.NotebookNode:
    notebook.cells = [cell for cell in notebook.cells if not unwanted(cell)]
    return notebook


def exercise_of(cell: nbformat.NotebookNode) -> str:
    return cell.metadata.get("gradflow", {}).get("exercise", "")


def split(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with the calls of ``check`` in cells of their own, as a sheet has them."""
    cells = []
    for cell in notebook.cells:
        body, call, answer = cell.source.rpartition("\n\ncheck(")
        parts = [body, call.strip() + answer] if cell.cell_type == "code" and body else [cell.source]
        new = new_code_cell if cell.cell_type == "code" else new_markdown_cell
        cells += [new(part, metadata=cell.metadata) for part in parts]
    notebook.cells = cells
    return notebook


def grade(folder: Path, *options: str) -> tuple[Table, str]:
    """What the command writes: the table, and the page."""
    out = folder.parent / "grades"
    with ThreadPoolExecutor(1) as apart:  # a browser's tests may have left an event loop in this thread
        apart.submit(main, ["grade", str(folder), "--out", str(out), *options]).result()
    table: Table = {}
    with out.with_name("grades.csv").open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream, delimiter=";"):
            table.setdefault(row["студент"], {})[row["задача"]] = row
    return table, out.with_name("grades.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def accidents(tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, str]:
    """Notebooks that hang, fail and die; their cells compute nothing, so that a short limit condemns no other cell."""
    folder = tmp_path_factory.mktemp("accidents") / "class"
    folder.mkdir()
    nbformat.write(answering(HANGS, RAISES, EATS_MEMORY), folder / "Вера.ipynb")
    nbformat.write(answering(CANNOT_BE_INTERRUPTED), folder / "Иван.ipynb")
    nbformat.write(answering(DIES), folder / "Катя.ipynb")
    (folder / "Яна.ipynb").write_text('{"cells": [', encoding="utf-8")
    (folder / "Отчёт.docx").write_bytes(b"PK")
    return grade(folder, "--seconds", "8", "--gib", "4")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, str]:
    """Sheets that came back: with tricks, moved about, with something deleted."""
    folder = tmp_path_factory.mktemp("sheets") / "class"
    (folder / "Лев").mkdir(parents=True)
    for student, cells in TRICKS.items():
        nbformat.write(with_cells(notebook_of(PAGE), cells), folder / f"{student}.ipynb")
    with (folder / "Лев" / "Untitled (1).ipynb.txt").open("w", encoding="utf-8") as stream:
        nbformat.write(scrambled(split(filled_in(PAGE))), stream)
    nbformat.write(without(filled_in(PAGE), lambda cell: exercise_of(cell) == ORAL), folder / "Стёр.ipynb")
    return grade(folder)


def passed(table: Table, student: str) -> list[str]:
    return [name for name, row in table[student].items() if row["решена"] == "да"]


def test_cell_that_hangs_raises_or_eats_memory_stops_nothing(accidents: tuple[Table, str]) -> None:
    assert passed(accidents[0], "Вера") == [NUMBER]


@pytest.mark.parametrize(
    "told",
    [
        "Клетка 1 прервана: не закончила за 8 с.",
        "Клетка 2: RuntimeError: не вышло",
        "Клетка 3: не хватило памяти (предел 4 ГиБ).",
        "Клетка 1: 8 с истекли, прервать исполнение не удалось.",
        "Клетка 1: процесс умер",
        "Сломанный JSON",
        "Пропущены, это не блокноты: Отчёт.docx.",
    ],
)
def test_page_tells_what_happened(accidents: tuple[Table, str], told: str) -> None:
    assert told in accidents[1]


@pytest.mark.parametrize(
    ("student", "told"), [("Иван", "прервать"), ("Катя", "процесс умер"), ("Яна", "Сломанный JSON")]
)
def test_notebook_that_cannot_go_on_has_no_mark_and_says_why(
    accidents: tuple[Table, str], student: str, told: str
) -> None:
    row = accidents[0][student][NUMBER]
    assert row["решена"] == "нет" and told in row["сообщение"]


@pytest.mark.parametrize("student", TRICKS)
def test_tricks_give_no_mark(graded: tuple[Table, str], student: str) -> None:
    assert list(graded[0][student]) == NAMES and passed(graded[0], student) == []


def test_tricks_do_not_hide_what_is_wrong(graded: tuple[Table, str]) -> None:
    assert "тело ещё не написано" in graded[0]["Хитрый"][CODE]["сообщение"]
    assert "изменил файлы пакета gradflow" in graded[1]
    assert "изменил файлы, которые выносят вердикты" in graded[0]["Правил всё"][CODE]["сообщение"]


def test_renamed_file_is_known_by_what_it_holds_and_moved_cells_are_found(graded: tuple[Table, str]) -> None:
    assert CODE in passed(graded[0], "Лев") and "Untitled (1).ipynb.txt" in graded[1]


def test_deleted_cells_are_missed_and_the_others_graded(graded: tuple[Table, str]) -> None:
    assert passed(graded[0], "Стёр") == [name for name in NAMES if name != ORAL]
    assert graded[0]["Стёр"][ORAL]["сообщение"] == "Клеток этой задачи в блокноте нет."
    assert graded[0]["Стёр"][ORAL]["минуты"] == next(e.options["minutes"] for e in PAGES[PAGE] if e.name == ORAL)


def test_the_command_says_whose_rights_the_code_has_and_how_to_take_them_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "Яна.ipynb").write_text("{", encoding="utf-8")
    grade(folder)
    told = capsys.readouterr().err
    assert "с вашими правами" in told and "docker run --rm --network none" in told
    assert "1/1" in told and "Яна" in told  # the bar


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_folder_without_notebooks_is_refused(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="expected a folder with notebooks"):
        main(["grade", folder])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Сломанный JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "не блокнот"),
        (b'{"cells": [{}]}', "не блокнот"),
        (b'{"worksheets": []}', "не блокнот"),
    ],
)
def test_what_is_no_notebook_is_told(content: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    file.write_bytes(content)
    with pytest.raises(UnreadableNotebookError, match=reason):
        read(file)


def read_back(notebook: nbformat.NotebookNode, folder: Path) -> HandedIn:
    nbformat.write(notebook, folder / "a.ipynb")
    return read(folder / "a.ipynb")


def code(source: str, **told: str) -> nbformat.NotebookNode:
    return new_code_cell(source, metadata={"gradflow": told} if told else {})


def test_last_call_of_check_names_the_answer_and_without_one_the_last_function_does(tmp_path: Path) -> None:
    cells = [
        code("%matplotlib inline\ncheck('ex-a', 1); check('a', f(2))"),
        code("def g(): ...\ndef h(): ...", exercise="b"),
        code("def k(): ...", exercise="c"),
        code("gradflow.exercises.check('c', answer=other)"),
        code("check('d', "),
    ]
    questions = read_back(new_notebook(cells=cells), tmp_path).questions()
    assert {name: (q.expression, q.cell) for name, q in questions.items()} == {
        "a": ("f(2)", 1),
        "b": ("h", 2),
        "c": ("other", 4),
    }


def submission(student: str, source: str, folder: Path) -> Submission:
    notebook = read_back(new_notebook(cells=[code(source, exercise=CODE)]), folder)
    return Submission(student, f"{student}.ipynb", Graded(notebook, {CODE: Verdict(True, "Верно.")}))


ONE = 'def f(x):\n    """Twice."""\n    return 2 * x  # twice'


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("def f(x):\n\n    return (2*x)", True),
        ("def f(x):\n    return x * 2", False),
        ("def f(y):\n    return 2 * y", False),
    ],
)
def test_code_coincides_if_the_syntax_trees_are_equal_and_only_if_asked(other: str, same: bool, tmp_path: Path) -> None:
    handed = [submission("Аня", ONE, tmp_path), submission("Боря", other, tmp_path)]
    assert [mark.same for mark in marks(handed, all_entries(), True)] == ([("Боря",), ("Аня",)] if same else [(), ()])
    assert [mark.same for mark in marks(handed, all_entries(), False)] == [(), ()]


def test_stubs_do_not_coincide(tmp_path: Path) -> None:
    stub = 'def f(x):\n    """Twice."""\n    ...'
    handed = [submission(name, stub, tmp_path) for name in ("Аня", "Боря")]
    assert [mark.same for mark in marks(handed, all_entries(), True)] == [(), ()]


ENTRY = Entry("a", "Задача <а>", 5, ("a",))


@pytest.mark.parametrize("compare", [True, False])
def test_page_shows_what_coincides_only_if_asked_and_accuses_nobody(compare: bool, tmp_path: Path) -> None:
    mark = Mark("<b>Аня", ENTRY, True, "Верно: 1 < 2.", ("Боря",) if compare else ())
    write_page(tmp_path / "page.html", [mark], [Submission("<b>Аня", "a.ipynb", Graded())], [], compare)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert ("Боря" in page) == ("Совпадает" in page) == ("выводов из этого страница не делает" in page) == compare
    assert "<b>Аня" not in page and "&lt;b&gt;Аня" in page and "1 &lt; 2" in page


def test_spreadsheet_takes_no_cell_for_a_formula(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [Mark("=1+1", ENTRY, False, "@SUM(A1)")], compare=False)
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as stream:
        row = list(csv.reader(stream, delimiter=";"))[1]
    assert row == ["'=1+1", "a", "Задача <а>", "нет", "'@SUM(A1)", "5"]


def test_exercise_is_solved_when_all_its_parts_are() -> None:
    whole = Entry("a", "А", 5, ("a", "a-more"))
    right, wrong = Verdict(True, "Верно."), Verdict(False, "Мимо.")

    def mark(**verdicts: Verdict) -> Mark:
        named = {name.replace("_", "-"): verdict for name, verdict in verdicts.items()}
        return marks([Submission("Аня", "a.ipynb", Graded(verdicts=named))], [whole], False)[0]

    assert mark(a=right, a_more=right).passed
    assert mark(a=right, a_more=wrong).message == "✓ a: Верно.\n✗ a-more: Мимо."
    assert not mark(a=right).passed and "✗ a-more" in mark(a=right).message


def test_best_of_several_notebooks_of_a_student_counts() -> None:
    verdicts = [Verdict(False, "Мимо."), Verdict(True, "Верно."), Verdict(False, "Опять мимо.")]
    files = [Submission("Аня", str(i), Graded(verdicts={"a": verdict})) for i, verdict in enumerate(verdicts)]
    assert marks(files, [ENTRY], False)[0].passed


def test_change_of_the_installed_package_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(_snapshot.PACKAGE, tmp_path / "gradflow")
    monkeypatch.setattr(_snapshot, "PACKAGE", tmp_path / "gradflow")
    snapshot = Snapshot()
    assert snapshot.is_installed()
    (tmp_path / "gradflow" / "__pycache__").mkdir(exist_ok=True)
    (tmp_path / "gradflow" / "__pycache__" / "other.pyc").write_bytes(b"")  # Python itself writes such files
    assert snapshot.is_installed()
    (tmp_path / "gradflow" / "jacobians.py").write_text("", encoding="utf-8")
    assert not snapshot.is_installed()


@pytest.mark.parametrize("name", ["gradflow/more.py", "gradflow/__pycache__/jacobians.cpython-312.pyc"])
def test_file_too_many_in_a_copy_is_seen(name: str, tmp_path: Path) -> None:
    snapshot = Snapshot()
    assert snapshot.is_in(snapshot.write(tmp_path))
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"")
    assert not snapshot.is_in(tmp_path)


@pytest.fixture
def sheets(tmp_path: Path) -> Path:
    for page in PAGES:
        nbformat.write(notebook_of(page), tmp_path / f"{page}.ipynb")
    return tmp_path


def test_sheet_of_a_subset_holds_these_exercises_in_this_order(sheets: Path) -> None:
    out = sheets / "week.ipynb"
    main(["sheet", f"ex-{CODE}", "bptt-grad", NUMBER, "--out", str(out), "--sheets", str(sheets)])
    notebook = nbformat.read(out, as_version=4)
    nbformat.validate(notebook)
    named = [exercise_of(cell) for cell in notebook.cells]
    assert list(dict.fromkeys(filter(None, named))) == [CODE, "bptt-grad", NUMBER]
    assert notebook.metadata.gradflow == {"sheet": "week", "checks": [CODE, "bptt-grad", NUMBER]}
    assert notebook.cells[0].source == notebook_of(PAGE).cells[0].source  # it brings the package
    assert notebook.cells[1].source.startswith("# Задачи\n\nВпишите решения")
    kept = [cell for cell in notebook.cells if exercise_of(cell) == CODE]
    assert [c.source for c in kept] == [c.source for c in notebook_of(PAGE).cells if exercise_of(c) == CODE]


def test_sheet_of_an_unknown_exercise_is_refused_with_the_names_like_it(sheets: Path) -> None:
    with pytest.raises(SystemExit, match="«bptt-grat» в листочках нет. Есть: bptt-grad"):
        main(["sheet", "bptt-grat", "--out", str(sheets / "a.ipynb"), "--sheets", str(sheets)])


def test_sheet_without_the_book_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="Соберите её \\(make book\\) или скачайте"):
        main(["sheet", NUMBER, "--out", str(tmp_path / "a.ipynb"), "--sheets", str(tmp_path)])
