"""A sheet of chosen exercises, made of the sheets of the built book: the same statements, numbers and cells."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from gradflow.exercises._handed_in import KEY

BUILT = Path(__file__).parents[3] / "_build" / "html" / "notebooks"  # of a checkout in which the book was built
NO_SHEETS = (
    "«{}»: здесь нет листочков книги. Соберите её (make book) или скачайте листочки с сайта и назовите их папку."
)


def make_sheet(names: Sequence[str], folder: Path, title: str) -> dict[str, Any]:
    """The notebook with these exercises, in this order.

    Args:
        names: of exercises, as the page shows them.
        folder: where the sheets of the pages lie.
        title: by which the grader calls the sheet.

    Raises:
        ValueError: there are no sheets, or none of them holds an exercise.
    """
    sheets = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.ipynb"))]
    sheets = [sheet for sheet in sheets if KEY in sheet["metadata"]]
    if not sheets:
        raise ValueError(NO_SHEETS.format(folder))
    by_exercise: dict[str, list[dict[str, Any]]] = {}
    for sheet in sheets:
        for cell in sheet["cells"]:
            if name := _told(cell).get("exercise"):
                by_exercise.setdefault(name, []).append(cell)
    wanted = [name.removeprefix("ex-") for name in dict.fromkeys(names)]
    for name in wanted:
        if name not in by_exercise:
            close = ", ".join(difflib.get_close_matches(name, by_exercise)) or ", ".join(by_exercise)
            raise ValueError(f"Задачи «{name}» в листочках нет. Есть: {close}.")
    cells = list(takewhile(lambda cell: "exercise" not in _told(cell), sheets[0]["cells"]))
    cells += [cell for name in wanted for cell in by_exercise[name]]
    cells = [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells, start=1)]
    for cell in cells:
        if "heading" in _told(cell):
            cell["source"] = "# Задачи\n\n" + "".join(cell["source"]).partition("\n\n")[2]
    told = {"sheet": title, "checks": [_told(cell)["check"] for cell in cells if "check" in _told(cell)]}
    return {**sheets[0], "cells": cells, "metadata": {**sheets[0]["metadata"], KEY: told}}


def _told(cell: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = cell["metadata"].get(KEY, {})
    return told
