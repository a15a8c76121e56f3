"""Run one student's notebook in a process of its own, and ask for the verdicts.

The notebook runs in an empty temporary folder, with limits of time and memory, against its own copy of the package.
After each cell that answers an exercise the grader sends a question: the package is imported anew from another
copy, and that one judges. So a replaced ``check``, a verdict written into the output and edited files of the package
change nothing.

Not a sandbox: the code has the rights of whoever grades, and code that sets out to deceive can, from inside the same
process, replace torch or the interpreter's own functions under the check.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from gradflow.exercises._asking import MIME
from gradflow.exercises._channels import without_ports
from gradflow.exercises._handed_in import Cell, HandedIn, Question, UnreadableNotebookError, read
from gradflow.exercises._snapshot import Snapshot
from gradflow.exercises._verdict import Verdict

GIB = 2**30
START_SECONDS = 300.0  # until the kernel is there
CHECK_SECONDS = 300.0  # for one question; the check has its own, shorter limits
GRACE_SECONDS = 10.0  # for a cell that was interrupted to end

# ``exec`` and the others are asked of ``builtins``, because a notebook may well call its own variable ``open``.
_ASK = """import builtins as _builtins
_builtins.exec({code!r}, {{"names": _builtins.globals(), "questions": {questions!r}, "token": {token!r}}})"""
_JUDGE = """
import sys
def is_ours(name): return name.partition(".")[0] == "gradflow"
theirs = {{name: sys.modules.pop(name) for name in list(sys.modules) if is_ours(name)}}
sys.path.insert(0, {folder!r})
try:
    from gradflow.exercises._asking import publish_verdicts
    publish_verdicts(questions, names, token)
finally:
    sys.path.remove({folder!r})
    for name in list(sys.modules):
        if is_ours(name): del sys.modules[name]
    sys.modules.update(theirs)
"""
_PREPARE = """import builtins as _builtins
_builtins.exec('''
try:
    import resource
    resource.setrlimit(resource.RLIMIT_DATA, ({most}, {most}))
except (ImportError, OSError, ValueError):
    pass  # no such limit on this system
import gradflow.exercises  # with torch, so that the first cell is not blamed for the time this takes
''', {{}})"""


@dataclass(frozen=True)
class Limits:
    """What a notebook may take.

    Attributes:
        cell_seconds: for one cell.
        seconds: for all of them.
        memory: bytes of data of its process; only Linux keeps this limit.
    """

    cell_seconds: float = 60.0
    seconds: float = 600.0
    memory: int = 4 * GIB


@dataclass
class Graded:
    """What came of one file: verdicts by the name of the check, what went wrong in Russian, and how long it took."""

    notebook: HandedIn | None = None
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    seconds: float = 0.0


class _StoppedError(Exception):
    """The notebook cannot go on; the message says why, in Russian."""


def grade_file(path: Path, exercises: Mapping[str, str], limits: Limits, snapshot: Snapshot) -> Graded:
    """Grade a notebook; whatever it does is told in the result.

    Args:
        path: of the notebook.
        exercises: name of every check → name of its exercise.
        limits: of time and memory.
        snapshot: of the package, taken before any notebook ran.
    """
    try:
        notebook = read(path)
    except UnreadableNotebookError as error:
        return Graded(troubles=[str(error)])
    started = time.monotonic()
    graded = Graded(notebook)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        work = folder / "work"
        work.mkdir()
        (work / path.name).write_bytes(path.read_bytes())
        judges, package = snapshot.write(folder / secrets.token_hex(8)), snapshot.write(folder / "package")
        asyncio.run(_Run(graded, exercises, limits, work, package, judges).run())
        if not snapshot.is_in(judges):
            void = "Код блокнота изменил файлы, которые выносят вердикты: вердикта нет."
            graded.verdicts = dict.fromkeys(graded.verdicts, Verdict(False, void))
            graded.troubles.append(void)
        if not snapshot.is_in(package):
            graded.troubles.append("Код блокнота изменил файлы пакета gradflow (в своей копии; на вердикты не влияет).")
        if not snapshot.is_installed():
            graded.troubles.append(
                "Изменились файлы установленного пакета gradflow. Вердикты выносит копия, снятая до начала проверки; "
                "посмотрите, кто их изменил, и поставьте пакет заново."
            )
    graded.seconds = time.monotonic() - started
    return graded


class _Client(NotebookClient):
    """Keeps what the grader has asked for, and nothing that a notebook prints."""

    def output(self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str | None, cell_index: int) -> None:
        """Keep a verdict only."""
        if MIME in msg["content"].get("data", {}):
            outs.append(msg["content"]["data"][MIME])

    def handle_comm_msg(self, outs: list[NotebookNode], msg: dict[str, Any], cell_index: int) -> None:
        """There are no widgets here."""


class _Run:
    """One notebook while it runs."""

    def __init__(
        self, graded: Graded, exercises: Mapping[str, str], limits: Limits, work: Path, package: Path, judges: Path
    ) -> None:
        assert graded.notebook is not None
        self.graded = graded
        self.notebook = graded.notebook
        self.exercises = exercises
        self.limits = limits
        self.judges = judges
        self.errors: dict[int, str] = {}  # cell → what went wrong in it
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")])),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",  # on a machine with many cores, their buffers alone would exceed the limit
            "OPENBLAS_NUM_THREADS": "1",
            "IPYTHONDIR": str(work.parent / "ipython"),
        }
        self.manager = AsyncKernelManager(kernel_name="python3", config=without_ports(work.parent))
        assert self.manager.kernel_spec is not None
        self.manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.client = _Client(
            new_notebook(),
            km=self.manager,
            resources={"metadata": {"path": str(work)}},
            allow_errors=True,
            iopub_timeout=int(CHECK_SECONDS),
            startup_timeout=int(START_SECONDS),
            on_cell_executed=self._remember,
        )
        self.reply: dict[str, Any] = {}

    async def run(self) -> None:
        """Run the cells, ask, and leave no process behind."""
        questions = self.notebook.questions()
        for name in questions.keys() - self.exercises.keys():
            self.graded.troubles.append(f"Клетка {questions[name].cell}: задачи «{name}» в книге нет.")
            del questions[name]
        try:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            await self.client.async_start_new_kernel(env=self.environment, **quiet)
            await self.client.async_start_new_kernel_client()
            await self._execute(_PREPARE.format(most=self.limits.memory), START_SECONDS)
            await self._run_cells(questions)
        except _StoppedError as stopped:
            self.graded.troubles.append(str(stopped))
        except Exception as error:  # of the kernel or of its channels
            self.graded.troubles.append(f"Блокнот не удалось исполнить: {type(error).__name__}: {error}")
        finally:  # with everything that its process group holds
            if self.client.kc is not None:
                self.client.kc.stop_channels()
            await self.manager.shutdown_kernel(now=True)
        self._explain(questions)

    async def _run_cells(self, questions: dict[str, Question]) -> None:
        last = time.monotonic() + self.limits.seconds
        for cell in self.notebook.cells:
            if time.monotonic() > last:
                raise _StoppedError(f"Остановлен перед клеткой {cell.number}: {_within(self.limits.seconds)} истекли.")
            await self._run_cell(cell)
            asked = [question for question in questions.values() if question.cell == cell.number]
            if cell.number in self.errors:  # what the cell itself did not get through is not repeated
                asked = [question for question in asked if question.expression.isidentifier()]
            await self._ask(asked)
        # A cell may have been moved above what it needs.
        await self._ask([question for name, question in questions.items() if name not in self.graded.verdicts])

    async def _run_cell(self, cell: Cell) -> None:
        place = f"Клетка {cell.number}"
        try:
            finished = await self._execute(cell.source, self.limits.cell_seconds)
        except DeadKernelError:
            raise _StoppedError(f"{place}: процесс умер (не хватило памяти или упал вызов C).") from None
        except _StoppedError as stopped:
            raise _StoppedError(f"{place}: {_within(self.limits.cell_seconds)} истекли, {stopped}.") from None
        if not finished:
            self.errors[cell.number] = f"{place} прервана: не закончила за {_within(self.limits.cell_seconds)}."
        elif self.reply.get("status") == "error":
            self.errors[cell.number] = f"{place}: {self._error()}"
        if cell.number in self.errors:
            self.graded.troubles.append(self.errors[cell.number])

    def _error(self) -> str:
        name, text = str(self.reply.get("ename")), str(self.reply.get("evalue")).strip().split("\n")[0]
        if name == "MemoryError" or "allocate memory" in text:
            return f"не хватило памяти (предел {_decimal(self.limits.memory / GIB)} ГиБ)."
        return f"{name}: {_short(text)}" if text else name

    async def _ask(self, questions: list[Question]) -> None:
        """Ask for verdicts; an answer that cannot be had is explained later."""
        if not questions:
            return
        token = secrets.token_hex(16)
        wanted = {question.check: question.expression for question in questions}
        told = f"Проверка: {', '.join(wanted)}"
        code = _JUDGE.format(folder=str(self.judges))
        try:
            finished = await self._execute(_ASK.format(code=code, questions=wanted, token=token), CHECK_SECONDS)
        except DeadKernelError:
            raise _StoppedError(f"{told}: процесс умер.") from None
        except _StoppedError as stopped:
            raise _StoppedError(f"{told}: {_within(CHECK_SECONDS)} истекли, {stopped}.") from None
        sent = [output for output in self.client.nb.cells[-1].outputs if output.get("token") == token]
        if not finished or len(sent) != 1:
            why = "проверка не закончила вовремя" if not finished else f"проверка не удалась ({self._error()})"
            self.errors.update({question.cell: f"Задача {question.check}: {why}." for question in questions})
            return
        for name, verdict in json.loads(sent[0]["verdicts"]).items():
            if "error" in verdict:
                self.errors.setdefault(self._question(questions, name).cell, f"Ответ не вычислился: {verdict['error']}")
            else:
                self.graded.verdicts[name] = Verdict(**verdict)

    @staticmethod
    def _question(questions: list[Question], name: str) -> Question:
        return next(question for question in questions if question.check == name)

    def _explain(self, questions: Mapping[str, Question]) -> None:
        """Say of every exercise without a verdict why it has none."""
        for name in dict.fromkeys([*self.notebook.wanted, *questions]):
            if name in self.graded.verdicts or name not in self.exercises:
                continue
            cells = self.notebook.cells_of(name, self.exercises[name])
            errors = [self.errors[cell.number] for cell in cells if cell.number in self.errors]
            if not cells:
                reason = "Клеток этой задачи в блокноте нет."
            elif errors:
                reason = " ".join(dict.fromkeys(errors))
            elif name not in questions:
                reason = "Ответа нет: ни вызова check, ни функции в клетках этой задачи."
            else:
                reason = "До этой задачи дело не дошло: " + " ".join(self.graded.troubles[-1:])
            self.graded.verdicts[name] = Verdict(False, reason)

    async def _execute(self, source: str, seconds: float) -> bool:
        """Execute a cell; tell whether it ended by itself.

        Raises:
            DeadKernelError: the process has died.
            _StoppedError: it could not be interrupted.
        """
        self.reply = {}
        cells = self.client.nb.cells
        cells.append(new_code_cell(source))
        task = asyncio.ensure_future(self.client.async_execute_cell(cells[-1], len(cells) - 1, store_history=False))
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            await self.manager.interrupt_kernel()
            interrupted, _ = await asyncio.wait({task}, timeout=GRACE_SECONDS)
            if not interrupted:
                task.cancel()
                raise _StoppedError("прервать исполнение не удалось")
        task.result()
        return bool(done)

    def _remember(self, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        self.reply = execute_reply["content"]


def _within(seconds: float) -> str:
    return f"{_decimal(seconds)} с"


def _decimal(value: float) -> str:
    return f"{value:.3g}".replace(".", ",")


def _short(text: str, most: int = 200) -> str:
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= most else f"{text[: most - 1]}…"
