"""What the core, the book's vocabulary and the checks may import."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import gradflow

CORE = sorted(path.stem for path in Path(gradflow.__file__).parent.glob("*.py") if path.stem != "__init__")
PACKAGES = ["gradflow.monitor"]
# Refuses what neither the standard library nor torch brings. What torch itself would import, had it the choice
# (numpy), it does without.
BARE = """
import importlib.util, pathlib, sys
root = pathlib.Path(importlib.util.find_spec("gradflow").origin).parents[1]
torch = {"torch", "torchgen", "functorch", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe",
         "filelock", "fsspec", "triton", "setuptools"}
class Bare:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in torch | {"gradflow"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name.startswith(("gradflow.book", "gradflow.exercises", "gradflow.experiments")):
            raise AssertionError(f"the core imports {name}")
sys.meta_path.insert(0, Bare())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_core_needs_torch_alone():
    modules = [f"gradflow.{name}" for name in CORE] + PACKAGES
    done = run(BARE + "".join(f"import {module}\n" for module in modules))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["numpy", "IPython", "tqdm", "gradflow.book.prose"])
def test_the_test_above_would_see_another_dependency(name):
    assert f"{name.partition('.')[0]}" in run(BARE + f"import {name}\n").stderr


def test_an_underscore_alone_says_what_is_private():
    files = [path for path in Path(gradflow.__file__).parent.rglob("*.py") if path.stem != "__init__"]
    lists = [path.name for path in files if re.search(r"^(Public|__all__)", path.read_text(encoding="utf-8"), re.M)]
    assert lists == []


def test_the_package_runs_where_jupyter_book_is_not_installed():
    root = Path(gradflow.__file__).parents[1]
    files = [file for file in sorted(root.joinpath("gradflow").rglob("*.py")) if file.stem != "__main__"]
    modules = [".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for file in files]
    absent = "import sys\nfor name in ('myst_nb', 'sphinx', 'jupyter_book'): sys.modules[name] = None\n"
    done = run(absent + "".join(f"import {module}\n" for module in modules))
    assert done.returncode == 0, done.stderr
