"""Mistakes that are seen in the outputs of a page: each with the line of its cell."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from nbformat import NotebookNode

from chapter.cell_faults import calls, cell_code, text_of
from chapter.execution import ExecutablePage
from chapter.myst_source import Source
from chapter.source_faults import Fault, checks_of

SIZE = 2_000_000  # bytes of one output
WIDE, LONG = 150, 60  # characters and lines of a printed text
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
OBJECT = re.compile(r"^(?:<[\w.]+ |Text\(|\[<|Axes|Figure\()")
OUTSIDE = re.compile(r"""(?:src|href)=["'](?:https?:)?//|url\(["']?https?:|@import""")
PICTURE = re.compile(r"image/(?:png|jpeg|gif|svg\+xml)")
GLUED = "application/papermill.record/"


def find(page: ExecutablePage, notebook: NotebookNode, source: Source) -> Iterator[Fault]:
    """Yield the faults of the outputs of an executed page."""
    pictures: dict[str, tuple[str, int]] = {}
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        line = page.line_of_cell(index)
        hidden = {"remove-output", "remove-cell"} & set(cell.metadata.get("tags", []))
        for output in cell.outputs:
            message = shown_wrong(output, bool(hidden), str(page.file.parents[1]))
            if message:
                yield line, message
                break
            name = output.get("metadata", {}).get("scrapbook", {}).get("name", "")
            html = text(output.get("data", {}).get(f"{GLUED}text/html", output.get("data", {}).get("text/html", "")))
            if name.startswith("fig-") and html:
                if html in pictures:
                    yield (
                        line,
                        f"{name} is the same picture as {pictures[html][0]}, line {pictures[html][1]}; show it once",
                    )
                pictures.setdefault(html, (name, line))
    yield from verdicts(page, notebook, source)


def text(data: object) -> str:
    """The text of one form of an output."""
    return "".join(data) if isinstance(data, list) else str(data)


def shown_wrong(output: NotebookNode, hidden: bool, folder: str) -> str:
    """Say what is wrong with one output, if anything is."""
    if output.output_type == "stream" and output.name == "stderr":
        return (
            f"the cell writes to stderr: «{output.text.strip().splitlines()[-1][:120]}»; cure the cause of the warning"
        )
    if output.output_type == "error":
        return f"the output raises {output.ename} while it is displayed; mend its _repr_ method"
    forms = {"text/plain": output.text} if output.output_type == "stream" else dict(output.data)
    data = {form.removeprefix(GLUED): text(value) for form, value in forms.items()}
    if (size := sum(map(len, data.values()))) > SIZE:
        return f"an output of {size / 1e6:.1f} MB, the limit is {SIZE / 1e6:.0f}; show less, or rasterize many points"
    everything = " ".join(data.values())
    for place in (folder, sys.prefix):
        if place in everything:
            return f"an output shows the path {place}; print names of files, not paths"
    if OUTSIDE.search(data.get("text/html", "")):
        return "an output loads something from outside; a page is read without a network"
    best = "" if set(data) - {"text/plain"} else data.get("text/plain", "")
    glued = any(form.startswith(GLUED) for form in forms)
    if glued and best.strip("'\"") in {"nan", "None", "", "inf"}:
        return f"the glued value is «{best}»; glue a number or a text"
    if glued:
        return ""
    if found := ADDRESS.search(best):
        return f"an output shows an object's address «{found[0]}»; print what the reader needs, or end the line with ;"
    if hidden:  # though the page's notebook shows it
        return ""
    if 'class="gradflow-chart"' in data.get("text/html", ""):
        return "a chart without description and number; glue it and show it with {chart}"
    lines = best.splitlines()
    if max(map(len, lines), default=0) > WIDE:
        return f"an output of {max(map(len, lines))} characters in a line; write shorter lines"
    if len(lines) > LONG:
        return f"an output of {len(lines)} lines; show the first few, or a chart"
    if "\r" in best:
        return "an output writes over itself; show no progress, print only the result"
    if OBJECT.match(best):
        return f"an output shows the object «{best[:40]}»; end the line with ;"
    if any(PICTURE.fullmatch(form) for form in data):
        return "a picture without description and number; glue a Chart and show it with {chart}"
    return ""


def verdicts(page: ExecutablePage, notebook: NotebookNode, source: Source) -> Iterator[Fault]:
    """The solution of each exercise passes each of its checks."""
    said = {}
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            said[int(notebook.metadata["source_map"][index])] = " ".join(
                text(output.data.get("text/plain", "")) for output in cell.outputs if "data" in output
            )
    blocks = [block for block in source.blocks if block.outer is None]
    for number, exercise in enumerate(blocks):
        if exercise.name != "exercise":
            continue
        rest = blocks[number + 1 :]
        following = next((n for n, block in enumerate(rest) if block.name == "exercise"), len(rest))
        verdict: dict[str, str] = {}
        for cell in [block for block in rest[:following] if block.name == "code-cell"]:
            body = ast.parse(cell_code(cell)).body
            for call in calls(cell, "check"):
                name = text_of(call).removeprefix("ex-")
                seen = body and isinstance(body[-1], ast.Expr) and call.lineno == body[-1].value.lineno
                answer = said.get(cell.line, "") if seen else "✓, perhaps: nobody sees it; the tests do"
                if "✓" not in verdict.get(name, ""):
                    verdict[name] = answer
        for name in checks_of(exercise, source):
            if name not in verdict:
                yield exercise.line, f'the solution does not check «{name}»; end a cell of it with check("{name}", …)'
            elif "✓" not in verdict[name]:
                yield (
                    exercise.line,
                    f"the check «{name}» does not accept the solution: {' '.join(verdict[name].split())[:120]}",
                )
