"""Answers to the exercises on diagnosis, by other roads than the page's."""

from __future__ import annotations

import math

from torch import Tensor, nn

from gradflow.exercises import check
from gradflow.exercises._registry import find
from tables import answers


def test_lag_of_silence_solves_the_equation() -> None:
    assert find("diagnose-lag").value == math.ceil(10 * math.log(1e-6) / math.log(0.03))
    assert check("diagnose-lag", "40 шагов").passed


def leaves(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, module) for name, module in model.named_modules() if not list(module.children())]


def with_pre_hooks(model: nn.Module, x: Tensor) -> str:
    """Remembers the finiteness of the input before the call."""
    names = {id(module): name for name, module in leaves(model)}
    culprit: list[str] = []
    good: dict[int, bool] = {}
    handles = []
    for _, module in leaves(model):
        handles.append(module.register_forward_pre_hook(lambda m, a: good.update({id(m): bool(a[0].isfinite().all())})))
        handles.append(
            module.register_forward_hook(
                lambda m, a, y: culprit.append(names[id(m)]) if good[id(m)] and not y.isfinite().all() else None
            )
        )
    model(x)
    for handle in handles:
        handle.remove()
    return (culprit or [""])[0]


def leaves_its_hooks(model: nn.Module, x: Tensor) -> str:
    found: list[str] = []
    for name, module in leaves(model):
        module.register_forward_hook(
            lambda m, a, y, name=name: found.append(name) if a[0].isfinite().all() and not y.isfinite().all() else None
        )
    model(x)
    return found[0] if found else ""


def names_the_container(model: nn.Module, x: Tensor) -> str:
    name = with_pre_hooks(model, x)
    return name.rpartition(".")[0]


def never_finds(model: nn.Module, x: Tensor) -> str:
    return ""


test_first_bad_module = answers(
    "first-bad-module",
    right=[with_pre_hooks],
    wrong=[
        (leaves_its_hooks, "остались крючки"),
        (names_the_container, "а должно быть"),
        (never_finds, "что ей ни дай"),
    ],
)
