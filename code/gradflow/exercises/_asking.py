"""Runs in the kernel of a student's notebook, imported from a copy of the package that the notebook has not seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from IPython.display import display

from gradflow.exercises._registry import check

MIME = "application/vnd.gradflow.verdicts+json"


def publish_verdicts(questions: Mapping[str, str], names: dict[str, Any], token: str) -> None:
    """Judge the answers and send the verdicts to the grader.

    Args:
        questions: name of the check → expression whose value is the answer.
        names: the namespace of the notebook.
        token: by which the grader knows its own output.
    """
    verdicts = {name: _ask(name, expression, names) for name, expression in questions.items()}
    display({MIME: {"token": token, "verdicts": json.dumps(verdicts)}}, raw=True)


def _ask(name: str, expression: str, names: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = eval(expression, names)
    except KeyboardInterrupt:  # the time of the grader is up
        raise
    except BaseException as error:  # SystemExit of the answer, too
        return {"error": f"{type(error).__name__}: {error}"}
    verdict = check(name, answer)
    return {"passed": verdict.passed, "close": verdict.close, "message": verdict.message}
