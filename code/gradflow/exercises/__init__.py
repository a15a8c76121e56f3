"""Exercises of the chapter that check themselves.

``check(name, answer)`` returns a ``Verdict`` with ``passed`` and a ``message`` in Russian;
``status()`` shows which exercises are done in this Python session; ``example(name, number)`` gives the arguments
that a message names.

Every page of the book with exercises has a module of the same name here (``bptt.py``, …), which
registers its checks with the helpers of ``_authoring``. The answer fields of the pages are made
from the same entries, so that a page and ``check`` cannot disagree.
"""

from gradflow.exercises._registry import check, example, status
from gradflow.exercises._verdict import Verdict

__all__ = ["Verdict", "check", "example", "status"]
