"""What the outputs of a page depend on besides its cells: the modules they import, and the data these read.

Found from the source alone, without importing anything: imports of the cells, of the imported modules, and so on.
A module of the package that names a data file, by its ending at least, depends on every data file so named.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

PACKAGE = "gradflow"
CHECKS = f"{PACKAGE}.exercises"
ALWAYS = ["book/matplotlibrc", "book/_ext/kernel_guard.py", "requirements.txt"]
FILE_NAME = re.compile(r"[\w./*-]*\.[a-z][a-z0-9]*")
REGISTERED = re.compile(r'^(?:number|choice|function)\(\s*"([^"]+)"', re.MULTILINE)


def imported(tree: ast.Module, module: str = "", is_package: bool = False) -> Iterator[str]:
    """Yield the dotted names that a piece of source imports; ``from a import b`` may mean the module ``a.b``, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level + is_package or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def strings(tree: ast.Module) -> Iterator[str]:
    """Yield the string constants of a piece of source."""
    yield from (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def parse_cells(cells: Iterable[str]) -> ast.Module:
    """Parse the cells of a page; magics, and a cell with an error in it, are passed over: execution will tell."""
    body: list[ast.stmt] = []
    for cell in cells:
        try:
            body += ast.parse(
                "\n".join("pass" if re.match(r"\s*[%!]", line) else line for line in cell.splitlines())
            ).body
        except SyntaxError:
            continue
    return ast.Module(body, [])


class Package:
    """The source of the package, each module read at most once."""

    def __init__(self, root: Path) -> None:
        """Remember the root of the book."""
        self.root = root
        self.code = root / "code"
        self._modules: dict[str, tuple[set[Path], set[str]]] = {}

    def file_of(self, module: str) -> Path | None:
        """Return the file of a module of the package, or None if there is no such module."""
        if module.split(".")[0] != PACKAGE:
            return None
        stem = self.code.joinpath(*module.split("."))
        return next((file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()), None)

    def module(self, name: str) -> tuple[set[Path], set[str]]:
        """Return the files of a module, with its data, and the modules that it imports; nothing if it is not ours."""
        if name not in self._modules:
            self._modules[name] = self.read(name)
        return self._modules[name]

    def read(self, name: str) -> tuple[set[Path], set[str]]:
        """Read a module; one with an error in it is told by the cell that imports it."""
        file = self.file_of(name)
        if file is None:
            return set(), set()
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except SyntaxError:
            tree = ast.Module([], [])
        above = name.rpartition(".")[0]
        return {file} | self.data_named_in(tree), {above, *imported(tree, name, file.name == "__init__.py")}

    @cached_property
    def data(self) -> list[Path]:
        """All files of the package that are not source."""
        files = (
            file for file in (self.code / PACKAGE).rglob("*") if file.is_file() and "__pycache__" not in file.parts
        )
        return [file for file in files if file.suffix not in {".py", ".typed"}]

    def data_named_in(self, tree: ast.Module) -> set[Path]:
        """Return the data files whose paths end like a string of the source that looks like the name of a file."""
        endings = tuple(text.rpartition("*")[2] for text in strings(tree) if FILE_NAME.fullmatch(text))
        return {file for file in self.data if file.as_posix().endswith(endings)}

    def closure(self, modules: Iterable[str]) -> set[Path]:
        """Return every file of the package that is read when the modules are imported and used."""
        files: set[Path] = set()
        waiting, seen = set(modules), set[str]()
        while waiting:
            name = waiting.pop()
            seen.add(name)
            own, others = self.module(name)
            files |= own
            waiting |= others - seen
        return files

    @cached_property
    def check_modules(self) -> dict[str, str]:
        """Name of a check → dotted name of the module that registers it."""
        folder = self.code.joinpath(*CHECKS.split("."))
        return {
            name: f"{CHECKS}.{file.stem}"
            for file in sorted(folder.glob("[!_]*.py"))
            for name in REGISTERED.findall(file.read_text(encoding="utf-8"))
        }

    def checked(self, cells: ast.Module) -> set[str]:
        """Return the modules of checks that the calls of ``check`` and ``status`` in a page's cells load."""
        everything = set(self.check_modules.values())
        loaded: set[str] = set()
        for node in ast.walk(cells):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0] if node.args else None
            text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
            if called == "check":
                loaded |= {self.check_modules[text]} if text in self.check_modules else everything
            elif called == "status":
                loaded |= {f"{CHECKS}.{text}"} if text else everything
        return loaded

    def files_of_page(self, cells: Iterable[str]) -> set[Path]:
        """Return the files on which the outputs of the cells depend."""
        tree = parse_cells(cells)
        names = set(imported(tree))
        if any(name.startswith(CHECKS) for name in names):
            names |= self.checked(tree)
        return self.closure(names) | self.data_named_in(tree) | {self.root / name for name in ALWAYS}

    def state_of_page(self, cells: Iterable[str]) -> str:
        """Return a short hash of everything outside a page that its outputs depend on."""
        digest = hashlib.sha256()
        for file in sorted(self.files_of_page(cells)):
            digest.update(file.relative_to(self.root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
        return digest.hexdigest()[:12]
