"""Call a stranger's function: exceptions, prints, endless loops and changed globals stay inside.

The calls run in a daemon thread. Its own processor time is limited, so that a busy machine condemns nobody; how long
it may sleep or wait for input is limited by the clock. When the time is up, an asynchronous exception is raised in it,
which ends any Python loop on every platform. It cannot end one long call into C (a huge matrix
product, ``time.sleep(1e9)``) or a loop that swallows every exception: such a thread is left behind
and keeps its core busy until the interpreter exits, but the check itself returns in time.
"""

from __future__ import annotations

import ctypes
import io
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import torch

SECONDS = 5.0  # of processor time
PATIENCE = 12  # times as long by the clock


class _TimeUp(BaseException):
    """Raised inside the thread; not an Exception, so that ``except Exception`` lets it through."""


class RefusedError(Exception):
    """The function did what the exercise forbids; the message says what, in Russian."""


@dataclass
class Run:
    """What a function did on a series of calls; the calls after a failure are not made."""

    results: list[Any] = field(default_factory=list)
    error: BaseException | None = None
    timed_out: str = ""
    printed: bool = False

    def complaint(self) -> str:
        """Why the series stopped, in Russian; empty if it did not."""
        if self.timed_out:
            return self.timed_out
        if isinstance(self.error, RefusedError):
            return str(self.error)
        if self.error is not None:
            return _describe(self.error)
        return ""


Guard = Callable[[Sequence[Any]], AbstractContextManager[Any]]


def run(
    function: Callable[..., Any], calls: Sequence[Sequence[Any]], usual: float = 0.0, guard: Guard | None = None
) -> Run:
    """Call ``function`` with each list of arguments, all together in a few seconds.

    Args:
        function: may do anything.
        calls: its arguments, call by call.
        usual: seconds of processor time that a right function took just now; a slow machine is given more.
        guard: makes from the arguments of a call what watches over it.
    """
    limit = SECONDS + 5 * usual
    outcome = Run()

    def work() -> None:
        # A new thread would start a team of its own for every small product, and wait for it on a busy machine.
        torch.set_num_threads(1)
        try:
            for arguments in calls:
                with guard(arguments) if guard else nullcontext():
                    outcome.results.append(function(*arguments))
        except _TimeUp:
            pass
        except BaseException as error:  # SystemExit and KeyboardInterrupt of the answer, too
            outcome.error = error

    with _quiet() as out:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        complaint = _watch(thread, limit)
        if complaint:
            outcome = Run(results=list(outcome.results), timed_out=complaint)
            identifier = ctypes.c_ulong(thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(identifier, ctypes.py_object(_TimeUp))
            thread.join(0.5)
    outcome.printed = bool(out.getvalue())
    return outcome


def _watch(thread: threading.Thread, limit: float) -> str:
    """Wait for the thread; say why it must be stopped, or nothing if it has ended."""
    started = time.monotonic()
    used = 0.0
    while True:
        thread.join(min(0.05, limit / 4))
        if not thread.is_alive():
            return ""
        waited = time.monotonic() - started
        used = _processor_time(thread, default=waited / PATIENCE)
        if used > limit:
            return "Функция не закончила за несколько секунд: похоже на бесконечный цикл."
        if waited > PATIENCE * limit:
            return "Функция ждёт и не заканчивает: уберите sleep, input и всё, что чего-то дожидается."


def _processor_time(thread: threading.Thread, default: float) -> float:
    """Seconds that a thread has computed; ``default`` where the system does not tell."""
    if not hasattr(time, "pthread_getcpuclockid") or thread.ident is None:
        return default
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    except OSError:  # it has just ended
        return 0.0


@contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Catch output, give no input, and put torch's global settings back afterwards."""
    out, err = io.StringIO(), io.StringIO()  # torch writes its warnings to the second: not the answer's doing
    stdin, dtype, threads = sys.stdin, torch.get_default_dtype(), torch.get_num_threads()
    with redirect_stdout(out), redirect_stderr(err):
        sys.stdin = io.StringIO()
        try:
            yield out
        finally:
            sys.stdin = stdin
            torch.set_default_dtype(dtype)
            torch.set_num_threads(threads)


def _describe(error: BaseException) -> str:
    text = re.sub(r"\b0x[0-9a-fA-F]+", "…", str(error).strip().split("\n")[0])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    line = f" в строке «{frames[0].line}»" if frames and frames[0].line else ""
    reason = f"{type(error).__name__}: {text.rstrip('.')}" if text else type(error).__name__
    return f"Функция упала{line}: {reason}."
