"""An IPython extension for the kernels that execute the pages: what a cell must not do is refused, or noticed.

- The network, other programs, files left behind or written into the book: refused, and noted even if it is caught.
- Clocks, random identifiers, names and sizes of this machine, and draws from a global random state that the page has
  not seeded: noted, because no two builds would print the same.

Each note is a line of JSON in the file named by ``GUARD_NOTES``: the ordinal number of the cell and what it did.
"""

from __future__ import annotations

import getpass
import importlib
import json
import os
import platform
import random
import secrets
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

NOTES = "GUARD_NOTES"
BOOK = "GUARD_BOOK"
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")
CLOCKS = ["time", "time_ns", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "process_time",
          "process_time_ns", "ctime", "localtime", "gmtime", "strftime"]  # fmt: skip
MACHINES = {os: ["cpu_count", "getpid", "getlogin", "uname"], platform: ["node", "platform", "processor", "uname"],
            socket: ["gethostname"], getpass: ["getuser"]}  # fmt: skip
ALLOWED = "gradflow.exercises."  # measures how long an answer takes, and prints none of it

NETWORK = "reaches for the network ({}); a page is built without it: put the data into the package"
PROGRAM = "starts another program; a reader may not have it: compute in the cell"
WRITES = "writes the file {}; a page leaves nothing behind: keep the data in variables"
CLOCK = "reads the clock ({}); no two builds would agree: record the time once, in a file of the package"
CHANCE = "asks for {}, which nobody can repeat: draw from seeded(n)"
MACHINE = "asks what only this machine knows ({}); no two builds would agree: take it out, or record it once"
STATE = "draws from the global random state of {0} that no cell has seeded: pass generator=seeded(n), or write {1}"
SEEDS = {"random": "random.seed(n)", "numpy": "numpy.random.seed(n)", "torch": "torch.manual_seed(n)"}


class Guard:
    """Counts the cells and notes what they do."""

    def __init__(self) -> None:
        self.cell = -1
        self.seeded: set[str] = set()
        self.states: dict[str, object] = {}
        self.book = os.environ[BOOK]
        self.place = os.path.realpath(Path.cwd())
        self.noted: set[tuple[int, str]] = set()

    def note(self, text: str) -> None:
        """Remember what the present cell did, once."""
        if (self.cell, text) in self.noted:
            return
        self.noted.add((self.cell, text))
        descriptor = os.open(os.environ[NOTES], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, json.dumps([self.cell, text], ensure_ascii=False).encode() + b"\n")
        os.close(descriptor)

    def refuse(self, text: str) -> None:
        """Note it, and do not let it happen."""
        self.note(text)
        raise PermissionError(f"the cell {text}")

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Look at what the interpreter is about to do."""
        if self.cell < 0:
            return
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            self.check_host(str(arguments[1][0]))
        elif event == "socket.getaddrinfo" and arguments[0]:
            host = arguments[0]
            self.check_host(host.decode() if isinstance(host, bytes) else str(host))
        elif event in {"subprocess.Popen", "os.system", "pty.spawn"} and asked_by_cell(program=True):
            self.refuse(PROGRAM)
        elif event == "open" and isinstance(arguments[0], str | bytes):
            self.check_file(os.fsdecode(arguments[0]), str(arguments[1] or ""), arguments[2] or 0)

    def check_host(self, host: str) -> None:
        """Only this machine may be talked to."""
        if not host.startswith(LOOPBACK):
            self.refuse(NETWORK.format(host))

    def check_file(self, name: str, mode: str, flags: int) -> None:
        """Nothing may be written into the book, or where a reader keeps the notebook."""
        writes = set(mode) & set("wax+") if mode else flags & (os.O_WRONLY | os.O_RDWR)
        if not writes or name == os.environ[NOTES] or "__pycache__" in name:
            return
        path = os.path.realpath(name)
        if path.startswith((self.book + os.sep, self.place + os.sep)):
            self.refuse(WRITES.format(Path(name).name))

    def before_cell(self, info: Any) -> None:
        """Load what the cell will load anyway, so that its random state is known before it draws."""
        self.cell += 1
        for name in ("numpy", "torch"):
            if name not in sys.modules and (name in info.raw_cell or "gradflow" in info.raw_cell):
                try:
                    watch_seeding(self, importlib.import_module(name))
                except ImportError:
                    continue
        self.states = dict(random_states())

    def after_cell(self, result: Any) -> None:
        """Compare the random states; see whether a library has written what no hook announces."""
        for name, state in random_states():
            if name not in self.seeded and name in self.states and self.states[name] != state:
                self.note(STATE.format(name, SEEDS[name]))
        for file in sorted(Path(self.place).iterdir()):
            self.note(WRITES.format(file.name))
            file.rename(f"{self.place}.{file.name}")


def random_states() -> Iterator[tuple[str, object]]:
    """Yield the global random states of the libraries that are loaded."""
    yield "random", random.getstate()
    if numpy := sys.modules.get("numpy"):
        state = numpy.random.get_state(legacy=False)["state"]
        yield "numpy", (state["key"].tobytes(), state["pos"])
    if torch := sys.modules.get("torch"):
        yield "torch", torch.random.get_rng_state().numpy().tobytes()


def watch_seeding(guard: Guard, module: ModuleType) -> None:
    """Know when a cell itself seeds a library; the package does it only for a moment."""
    place = module.random if module.__name__ == "numpy" else module
    name = "manual_seed" if module.__name__ == "torch" else "seed"
    original = getattr(place, name)

    def seed(*arguments: Any, **options: Any) -> Any:
        if sys._getframe(1).f_globals.get("__name__") == "__main__" and (arguments or options):
            guard.seeded.add(module.__name__)
        return original(*arguments, **options)

    setattr(place, name, seed)
    if module.__name__ == "numpy":
        watch_chance(guard, module.random, "default_rng", "numpy.random.default_rng()")


def asked_by_cell(program: bool = False) -> bool:
    """Tell whether the code that called the caller stands in a cell, or in the package behind it."""
    frame: FrameType | None = sys._getframe(2)
    while program and frame and frame.f_globals.get("__name__", "").partition(".")[0] in {"subprocess", "os"}:
        frame = frame.f_back
    name = str(frame.f_globals.get("__name__", "")) if frame else ""
    if program and name.startswith("IPython"):
        return True
    return name == "__main__" or (name.startswith("gradflow") and not name.startswith(ALLOWED))


def watch(guard: Guard, module: Any, name: str, text: str) -> None:
    """Note every call of ``module.name`` by a cell."""
    original: Callable[..., Any] = getattr(module, name)

    def watched(*arguments: Any, **options: Any) -> Any:
        if asked_by_cell():
            guard.note(text)
        return original(*arguments, **options)

    setattr(module, name, watched)


def watch_chance(guard: Guard, module: Any, name: str, what: str) -> None:
    """Note a call of ``module.name`` without a seed by a cell."""
    original: Callable[..., Any] = getattr(module, name)

    def watched(*arguments: Any, **options: Any) -> Any:
        if asked_by_cell() and not any(value is not None for value in (*arguments, *options.values())):
            guard.note(CHANCE.format(what))
        return original(*arguments, **options)

    setattr(module, name, watched)


def load_ipython_extension(shell: Any) -> None:
    """Begin to watch; IPython calls this when the kernel starts."""
    guard = Guard()
    for name in CLOCKS:
        watch(guard, time, name, CLOCK.format(f"time.{name}"))
    for place, names in MACHINES.items():
        for name in names:
            watch(guard, place, name, MACHINE.format(f"{place.__name__}.{name}"))
    for module, name in ((uuid, "uuid1"), (uuid, "uuid4"), (os, "urandom"), (secrets, "token_hex"),
                         (secrets, "token_bytes"), (secrets, "token_urlsafe"), (secrets, "randbelow"),
                         (secrets, "choice")):  # fmt: skip
        watch(guard, module, name, CHANCE.format(f"{module.__name__}.{name}"))
    watch_seeding(guard, random)
    sys.addaudithook(guard.audit)
    shell.events.register("pre_run_cell", guard.before_cell)
    shell.events.register("post_run_cell", guard.after_cell)
