"""A fault in the source of an exercise fails the build and is named."""

import pytest

from bookmaker import KERNEL, build, small_book

PAGE = """(sec-page)=
# Проба

:::{exercise} Без уровня
:label: ex-without-level
:minutes: 5

Условие.
:::

:::{exercise} Чужая метка
:label: task-elsewhere
:level: устно
:minutes: 5
:hand-in: ничего.

Условие.
:::

::::{exercise} Поле без проверки
:label: ex-unknown-quiz
:level: устно
:minutes: 5
:hand-in: ничего.

:::{quiz} no-such-check
Сколько?
:::
::::

:::{solution-start} ex-unknown-quiz
:::

Решение, которое не кончается.

(sec-page-next)=
## Дальше

:::{solution-end}
:::
"""

FAULTS = [
    "'Без уровня': give :level:, :hand-in:",
    "the label must begin with 'ex-', got 'task-elsewhere'",
    "no number or choice named 'no-such-check'",
    "the solution of ex-unknown-quiz does not end before the next heading or solution",
    "a solution ends that has not begun",
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[bool, str]:
    return build(small_book(tmp_path_factory.mktemp("book"), KERNEL + PAGE))


def test_build_fails(report: tuple[bool, str]) -> None:
    assert not report[0]


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(fault: str, report: tuple[bool, str]) -> None:
    assert fault in report[1]
