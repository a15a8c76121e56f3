"""Checks of the exercises on deep networks."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradflow.exercises._authoring import choice, function, number
from gradflow.profile import layer_gradient_norms

_NORM = 1.5**49 * math.sqrt(128) * 10

number(
    "scaled-identity",
    _NORM,
    mistakes=[
        (1.5 * _NORM, "Лишняя степень: последний слой сам на себя назад не умножается."),
        (_NORM / math.sqrt(128), "Потерян множитель √D: норма вектора из D единиц не единица."),
        (_NORM * math.sqrt(128), "Сумма координат вместо нормы: у вектора из D единиц норма √D."),
        (1.5**49 * math.sqrt(128), "Потеряна норма входа ‖x‖."),
        (1.5**98 * math.sqrt(128) * 10, "Показатели сложены неверно: h растёт вперёд, δ назад, вместе они дают L − 1."),
    ],
    digits=2,
    right="Верно. И заметьте: номер слоя в ответ не вошёл.",
    otherwise="Пока не то. Выпишите h и δ по отдельности и перемножьте их нормы.",
)

choice(
    "layer-norm-sum",
    [
        ("$\\sum_i\\hat x_i$", True, "Чему равно среднее координат после LayerNorm? Зависит ли эта сумма от входа?"),
        ("$\\sum_i\\hat x_i^2$", True, "LayerNorm фиксирует не только среднее, но и дисперсию координат."),
        (
            "$\\sum_i(\\gamma_i\\hat x_i+\\beta_i)$ с обучаемыми $\\gamma=\\mathbf 1$, $\\beta=0$",
            True,
            "Сами γ и β градиент получат, но вопрос о линейных слоях: при γ = 1 сумма от них не зависит.",
        ),
        ("$\\sum_i\\hat x_i^3$", False, "Сумма кубов, в отличие от суммы и суммы квадратов, зависит от входа."),
        ("$\\hat x_1$", False, "Одна координата зависит от входа: постоянны лишь среднее и дисперсия всех вместе."),
        (
            "$\\sum_i(\\hat x_i-y_i)^2$ с целью $y$, у которой не все координаты равны",
            False,
            "Раскройте квадрат: слагаемое Σ x̂y зависит от входа.",
        ),
    ],
    several=True,
    right="Верно. Все три потери постоянны: LayerNorm фиксирует среднее и дисперсию.",
)

number(
    "underflow-steps",
    75,
    mistakes=[
        (64, "Вы остановились на нормальных числах. Ниже 2⁻¹²⁶ есть ещё субнормальные."),
        (63, "Вы остановились на нормальных числах. Ниже 2⁻¹²⁶ есть ещё субнормальные."),
        (74, "После 74 умножений остаётся 2⁻¹⁴⁸, это ещё не нуль."),
        (76, "Проверьте округление: ровно посередине между 0 и 2⁻¹⁴⁹ выигрывает чётное."),
        (150, "Каждое умножение отнимает от показателя не единицу, а двойку."),
        (149, "Каждое умножение отнимает от показателя не единицу, а двойку."),
    ],
    digits=None,
    otherwise="Пока не то. Выразите 0,25 в степени k через степень двойки и сравните с 2⁻¹⁴⁹.",
)
number(
    "underflow-steps-float16",
    13,
    mistakes=[
        (8, "Вы остановились на нормальных числах. Ниже 2⁻¹⁴ есть ещё субнормальные."),
        (7, "Вы остановились на нормальных числах. Ниже 2⁻¹⁴ есть ещё субнормальные."),
        (12, "После 12 умножений остаётся 2⁻²⁴, это ещё не нуль."),
        (24, "Каждое умножение отнимает от показателя не единицу, а двойку."),
    ],
    digits=None,
    otherwise="Пока не то. Выразите 0,25 в степени k через степень двойки и сравните с 2⁻²⁴.",
)


def _reference(model: nn.Sequential, x: Tensor, loss_fn: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    profile = layer_gradient_norms(model, x, loss_fn)
    return profile.activations, profile.deltas, profile.weight_grads


def _cases(generator: torch.Generator) -> list[tuple[object, ...]]:
    cases: list[tuple[object, ...]] = []
    for depth, width, activation in (
        (1, 2, None),
        (2, 3, nn.Tanh),
        (3, 4, nn.Tanh),
        (5, 3, nn.ReLU),
        (4, 6, nn.Sigmoid),
    ):
        layers: list[nn.Module] = []
        for _ in range(depth):
            layer = nn.Linear(width, width, dtype=torch.float64)
            with torch.no_grad():
                for parameter in layer.parameters():
                    parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
            layers += [layer] if activation is None else [layer, activation()]
        x = torch.randn(1, width, generator=generator, dtype=torch.float64)
        cases += [(nn.Sequential(*layers), x, torch.sum), (nn.Sequential(*layers), x, _half_square)]
    return cases


def _half_square(y: Tensor) -> Tensor:
    return y.square().sum() / 2


def _recorded(model: nn.Sequential, x: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
    """Output; inputs of the linear layers; their outputs; what leaves each layer's activation."""
    h, inputs, outputs, activated = x, [], [], []
    for layer in model:
        if isinstance(layer, nn.Linear):
            inputs.append(h)
            h = layer(h)
            outputs.append(h)
            activated.append(h)
        else:
            h = layer(h)
            activated[-1] = h
    return h, inputs, outputs, activated


def _answer(model: nn.Sequential, x: Tensor, loss_fn: Callable[[Tensor], Tensor], mistake: str) -> tuple[Tensor, ...]:
    output, inputs, outputs, activated = _recorded(model, x)
    weights = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
    sources = activated if mistake == "after" else outputs
    grads = torch.autograd.grad(loss_fn(output), [*sources, *weights])
    h = [x, *outputs] if mistake == "before" else [*inputs, output]
    measure = (lambda t: t.square().sum()) if mistake == "squared" else torch.linalg.vector_norm
    groups = [h, grads[: len(outputs)], grads[len(outputs) :]]
    if mistake.startswith("backwards"):
        groups[1:] = [group[::-1] for group in groups[1:]]
    if mistake == "backwards, activations too":
        groups[0] = h[::-1]
    if mistake == "mean":
        groups[2] = [grad.abs().mean().reshape(1) for grad in groups[2]]
    return tuple(torch.stack([measure(t.detach()) for t in group]) for group in groups)


function(
    "layer-gradient-norms",
    reference=_reference,
    cases=_cases,
    mistakes=[
        (
            lambda model, x, loss_fn: _answer(model, x, loss_fn, "after"),
            "Вместо δ взята производная по выходу нелинейности: δ — производная по выходу линейного слоя, до неё.",
        ),
        (
            lambda model, x, loss_fn: _answer(model, x, loss_fn, "before"),
            "Активации записаны до нелинейности: h — это то, что входит в следующий линейный слой.",
        ),
        (lambda model, x, loss_fn: _answer(model, x, loss_fn, "squared"), "Это квадраты норм: потерян корень."),
        (
            lambda model, x, loss_fn: _answer(model, x, loss_fn, "mean"),
            "Для весов взят средний модуль элементов вместо нормы Фробениуса.",
        ),
        (
            lambda model, x, loss_fn: _answer(model, x, loss_fn, "backwards"),
            "Нормы δ и градиентов идут от последнего слоя к первому, а нужны в порядке слоёв.",
        ),
        (
            lambda model, x, loss_fn: _answer(model, x, loss_fn, "backwards, activations too"),
            "Все нормы идут от последнего слоя к первому, а нужны в порядке слоёв.",
        ),
    ],
    right="Верно. Теперь вы можете проверить любую сеть: у одного примера третья норма — произведение первых двух.",
)

choice(
    "layer-log",
    [
        (
            "Слишком большие веса линейных слоёв, нормализации нет",
            False,
            "Без нормализации норма активаций не стояла бы ровно на √128, когда веса выросли в сотни раз.",
        ),
        (
            "Ортогональные веса без нелинейности, слишком большой шаг",
            False,
            "Ортогональные слои сохраняют и норму сигнала ошибки: градиент был бы одинаков во всех слоях.",
        ),
        (
            "LayerNorm после ReLU в каждом слое",
            True,
            "Что закрепляет норму активаций ровно на √128 и при этом растягивает обратный проход?",
        ),
        (
            "LayerNorm до ReLU в каждом слое",
            False,
            "С нормализацией до ReLU градиент от слоя к слою почти не меняется, а норма после ReLU не равна √128.",
        ),
    ],
    right="Верно: прямой проход закреплён, обратный растягивается, а масштаб весов сети безразличен.",
)
