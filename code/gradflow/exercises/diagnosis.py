"""Checks of the page on diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gradflow.exercises._authoring import choice, function, number

choice(
    "diagnose-first-backward",
    [
        ("Взрыв градиента: нужно отсечение.", False,
         "Взрыв нарастает; здесь nan с первого шага, а голова в порядке. Отсечение nan не вылечит."),
        ("Между головой и слоями ниже стоит операция с бесконечной производной.", True, ""),
        ("Переполнились активации.", False, "Активации конечны: это сказано в журнале."),
        ("Скорость обучения велика.", False, "До первого backward ни одного шага ещё не было."),
    ],
    right="Верно. Напечатайте наименьший аргумент корня, нормы или acos.",
)  # fmt: skip

choice(
    "diagnose-batch",
    [
        ("Скорость обучения: уменьшить вдвое.", False,
         "Слишком длинный шаг не знает, какой батч идёт четырнадцатым, и не переезжал бы вместе с ним."),
        ("Норму градиента по слоям за тринадцать шагов.", False, "Она около единицы: сказано в журнале."),
        ("Содержимое самого батча: маски, делители, nan в данных.", True, ""),
        ("Инициализацию.", False, "Тринадцать шагов с нею всё было хорошо."),
    ],
    right="Верно: беда ездит вместе с данными.",
)  # fmt: skip

choice(
    "diagnose-half",
    [
        ("Доля весов, которые шаг не изменил ни на бит.", True, ""),
        ("Норма градиента по лагам.", False,
         "Градиент обычный, и во float32 его хватает. Потеря случается после него."),
        ("Наибольшая активация.", False, "У bfloat16 потолок как у float32: переполниться ей трудно."),
        ("Доля нулей в градиенте.", False,
         "У bfloat16 и пол почти как у float32; норма градиента 0,8 о нулях не говорит."),
    ],
    right="Верно: шаг в 0,04 % меньше половины расстояния между соседними числами.",
)  # fmt: skip

number(
    "diagnose-lag",
    40,
    mistakes=[
        (39, "На лаге 39 норма 0,03^3,9 ≈ 1,15·10⁻⁶: ещё чуть больше."),
        (11, "Норма убывает не на 0,097 за шаг, а в одно и то же число раз."),
        (4, "Это число десятков: 0,03⁴ ≈ 8·10⁻⁷. Спрашивают лаг в шагах."),
    ],
    digits=None,
    right="Верно. Подсказку сороковой давности сеть с такими весами не увидит.",
    otherwise="Пока не то. Норма на лаге n равна 0,03 в степени n/10.",
)

choice(
    "diagnose-zeros",
    [
        ("Норма градиента переполнилась, и множитель отсечения стал нулём.", True,
         "Квадрат 10²⁶ во float32 — inf, а c/inf = 0."),
        ("Это затухание: нужны вентили или ортогональная матрица.", False,
         "До отсечения градиенты около 10²⁶: они не малы, а велики."),
        ("Если уменьшить порог отсечения, обучение пойдёт.", False,
         "Любой конечный порог, делённый на бесконечность, — ноль."),
        ("`error_if_nonfinite=True` превратит молчание в ошибку.", True,
         "Норма не конечна, и это ровно то, что он проверяет."),
    ],
    several=True,
    right="Верно: обнулил градиент не спуск, а деление на бесконечность.",
)  # fmt: skip


class Pointwise(nn.Module):
    """A module that applies a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        return self.function(x)


class Backwards(nn.Module):
    """Two modules that are called in the opposite order of their names."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.named_first, self.named_second = second, first

    def forward(self, x: Tensor) -> Tensor:
        """The second name comes first."""
        result: Tensor = self.named_first(self.named_second(x))
        return result


def _names(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if not list(module.children())]


def _bad(model: nn.Module, x: Tensor) -> list[tuple[str, bool, bool]]:
    """Of every leaf in the order of the computation: name, is its input finite, is its output finite."""
    seen: list[tuple[str, bool, bool]] = []
    handles = []
    for name, module in model.named_modules():
        if not list(module.children()):

            def hook(module: nn.Module, args: Any, output: Tensor, name: str = name) -> None:
                seen.append((name, bool(args[0].isfinite().all()), bool(output.isfinite().all())))

            handles.append(module.register_forward_hook(hook))
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def first_bad_module(model: nn.Module, x: Tensor) -> str:
    """The first that made it."""
    return next((name for name, before, after in _bad(model, x) if before and not after), "")


def by_order_of_names(model: nn.Module, x: Tensor) -> str:
    """The first by registration."""
    bad = {name for name, _, after in _bad(model, x) if not after}
    return next((name for name in _names(model) if name in bad), "")


def last_bad(model: nn.Module, x: Tensor) -> str:
    """The last whose output is not finite."""
    return next((name for name, _, after in reversed(_bad(model, x)) if not after), "")


def only_nan(model: nn.Module, x: Tensor) -> str:
    """Infinity overlooked: the first module whose output holds nan."""
    names = []
    handles = [
        module.register_forward_hook(lambda m, a, y, name=name: names.append(name) if y.isnan().any() else None)
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    model(x)
    for handle in handles:
        handle.remove()
    return names[0] if names else ""


def _cases(generator: Generator) -> list[tuple[nn.Module, Tensor]]:
    def linear() -> nn.Linear:
        layer = nn.Linear(3, 3)
        nn.init.normal_(layer.weight, generator=generator)
        nn.init.constant_(layer.bias, 0.5)
        return layer

    log, exp = Pointwise(torch.log), Pointwise(lambda x: (100 * x.abs() + 1000).exp())
    ratio = Pointwise(lambda x: x / (x - x))
    x = torch.randn(2, 3, generator=generator)
    return [
        (nn.Sequential(linear(), nn.ReLU(), linear()), x),
        (nn.Sequential(linear(), Pointwise(lambda x: -x.abs() - 1), log, linear()), x),
        (nn.Sequential(nn.Sequential(linear(), exp), linear(), ratio), x),
        (nn.Sequential(Backwards(nn.Sequential(linear(), ratio), linear()), nn.Tanh()), x),
        (nn.Sequential(linear(), exp, Pointwise(lambda x: x - x), linear()), x),
    ]


def _index(arguments: tuple[Any, ...], result: Any) -> int:
    """Which leaf was named: its place, -1 for an empty string, -2 for a name that no leaf bears."""
    names = _names(arguments[0])
    return -1 if result == "" else names.index(result) if result in names else -2


def _no_hook_left(arguments: tuple[Any, ...], result: Any) -> bool:
    return not any(module._forward_hooks for module in arguments[0].modules())


function(
    "first-bad-module",
    reference=first_bad_module,
    cases=_cases,
    mistakes=[
        (
            by_order_of_names,
            "Порядок имён — не порядок вычисления: первым надо считать того, чей крючок вызвали раньше.",
        ),
        (last_bad, "Это последний, а не первый: дальше nan только передают."),
        (only_nan, "Бесконечность — тоже не число: проверяйте isfinite, а не isnan."),
    ],
    properties=[(_no_hook_left, "На модели остались крючки: снимите их, handle.remove() в finally.")],
    observe=_index,
    right="Верно. Так и работает монитор, только крючков у него больше.",
)
