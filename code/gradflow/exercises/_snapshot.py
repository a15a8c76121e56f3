"""Copies of the package, so that no notebook can change what judges it or the next one."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


class Snapshot:
    """The files of the package as they were when grading began, kept in memory."""

    def __init__(self) -> None:
        self.files = _files(PACKAGE, compiled=False)

    def write(self, folder: Path) -> Path:
        """Write the package into ``folder``, which is then fit for ``sys.path``."""
        for name, content in self.files.items():
            file = folder / PACKAGE.name / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return folder

    def is_in(self, folder: Path) -> bool:
        """Whether a copy is still what was written: no file changed, gone or added, a compiled one neither."""
        return _files(folder / PACKAGE.name, compiled=True) == self.files

    def is_installed(self) -> bool:
        """Whether the package that runs now is still the same."""
        return _files(PACKAGE, compiled=False) == self.files


def _files(folder: Path, compiled: bool) -> dict[str, bytes]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    kept = [file for file in files if compiled or "__pycache__" not in file.parts]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in kept}
