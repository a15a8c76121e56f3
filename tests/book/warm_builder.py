"""Builds books by Jupyter Book, each in a process that begins with everything imported: half of what a small one costs.

Every line that it is told is a book to build: where, with which options and which environment, and where to print.
The answer is the exit status. Nothing of the book's own (``chapter``, ``gradflow``) is imported before the fork.
"""

import importlib
import json
import os
import runpy
import sys
from pathlib import Path

from sphinx.application import builtin_extensions

IMPORTED = [
    "fontTools.subset",
    "jupyter_book.cli.main",
    "jupyter_book.sphinx",
    "matplotlib.pyplot",
    "myst_nb.sphinx_ext",
    "pybtex.database",
    "py_mini_racer",
    "resvg_py",
    "sphinx_book_theme",
    "sphinx_comments",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_external_toc",
    "sphinx_jupyterbook_latex",
    "sphinx_proof",
    "sphinxcontrib.bibtex",
    "torch",
]


def build(folder: str, options: list[str], environment: dict[str, str], printed: list[str]) -> None:
    """Become a fresh ``jupyter-book build``, and end as it ends."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, file in enumerate(printed, start=1):
        os.dup2(os.open(file, os.O_WRONLY), stream)
    program = Path(sys.executable).with_name("jupyter-book")
    sys.path[0] = str(program.parent)
    sys.path[1:1] = environment["PYTHONPATH"].split(os.pathsep)
    sys.argv = [str(program), "build", ".", *options]
    runpy.run_path(str(program), run_name="__main__")


def main() -> None:
    """Import, then fork for every book."""
    for name in [*IMPORTED, *builtin_extensions]:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            build(**json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
