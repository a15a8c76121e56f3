"""What the book's experiments cost: CPU seconds of every page's cells, the most expensive first.

    python code/benchmarks/experiments.py [--cells 15] [page …]

Each page of ``book/`` (or each page named, as ``comparison``) runs in a process of its own on one thread, cell by cell.
Printed are the pages and the costliest cells with their first line of code. The import of torch is counted, as
``start``; drawing is part of its cell. Goals: 300 s for the book, 100 s for a page.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

BOOK = Path(__file__).parents[2] / "book"
BOOK_GOAL, PAGE_GOAL = 300, 100
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"\A(?::[a-z-]+:[^\n]*\n)+")


def code_cells(page: Path) -> list[str]:
    """The code of a page's cells, without their options."""
    return [OPTIONS.sub("", cell) for cell in CELL.findall(page.read_text(encoding="utf-8"))]


def first_line(code: str) -> str:
    """The line that names a cell: its first that is neither an import nor a comment nor a decorator."""
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("import ", "from ", "#", "@"))]
    return lines[0] if lines else code.splitlines()[0]


def run_page(page: Path) -> None:
    """Run the cells of one page and print their costs as JSON: [[first line, CPU seconds], …]."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    os.chdir(page.parent)
    shell = InteractiveShell.instance()
    costs: list[tuple[str, float]] = []
    start = 0.0
    for code in code_cells(page):
        with capture_output():
            result = shell.run_cell(code)
        result.raise_error()
        now = time.process_time()
        costs.append(("start" if not costs else first_line(code), now - start))
        start = now
    print(json.dumps(costs))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="names of pages; all by default")
    parser.add_argument("--cells", type=int, default=15, help="how many cells to print")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run_page(arguments.run)
        return
    names = arguments.pages or sorted(page.stem for page in BOOK.glob("*.md") if code_cells(page))
    # Freed memory is kept as in the kernels of the build (book/_ext/chapter/execution.py).
    memory = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
    environment = os.environ | memory | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    costs = {}
    for name in names:
        command = [sys.executable, __file__, "--run", str((BOOK / f"{name}.md").resolve())]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        costs[name] = json.loads(done.stdout.splitlines()[-1])
    totals = {name: sum(seconds for _, seconds in cells) for name, cells in costs.items()}
    print(f"{'page':20} {'cells':>5} {'CPU s':>7}")
    for name in sorted(totals, key=totals.__getitem__, reverse=True):
        late = "  over the goal" if totals[name] > PAGE_GOAL else ""
        print(f"{name:20} {len(costs[name]):5} {totals[name]:7.1f}{late}")
    print(f"{'all, goal ' + str(BOOK_GOAL):20} {sum(map(len, costs.values())):5} {sum(totals.values()):7.1f}\n")
    lines = [(seconds, name, line) for name, cells in costs.items() for line, seconds in cells]
    print(f"{'CPU s':>7}  {'page':20} cell")
    for seconds, name, line in sorted(lines, reverse=True)[: arguments.cells]:
        print(f"{seconds:7.1f}  {name:20} {line[:70]}")


if __name__ == "__main__":
    main()
