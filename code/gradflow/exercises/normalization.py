"""Checks of the exercises on layer normalization and residual connections."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradflow.exercises._authoring import function, number

number(
    "layer-norm-spectrum",
    math.sqrt(62) / 2,
    mistakes=[
        (math.sqrt(64) / 2, "Нулевые собственные числа тоже посчитаны за 1/s. Сколько направлений LayerNorm убивает?"),
        (math.sqrt(63) / 2, "Потерян один ноль: кроме вектора из единиц есть ещё одно убитое направление."),
        (62 / 2, "Норма Фробениуса — корень из суммы квадратов собственных чисел, а сложены сами числа."),
        (math.sqrt(62), "Забыт множитель 1/s."),
        (math.sqrt(62) / 4, "Разброс s входит в каждое собственное число в первой степени, а не во второй."),
        (0.5, "Это спектральная норма, то есть наибольшее собственное число. Спрашивают норму Фробениуса."),
    ],
    digits=3,
    otherwise="Пока не то. Выпишите собственные числа с кратностями: сумма их квадратов и есть квадрат нормы.",
)

number(
    "chi-layer-norm-abs",
    math.pi / (math.pi - 2),
    mistakes=[
        (1.0, "Вы поделили на второй момент. После модуля LayerNorm вычитает среднее, и делить надо на дисперсию."),
        (math.sqrt(math.pi / (math.pi - 2)), "Это рост нормы. Спрашивают множитель её квадрата."),
        (
            math.pi / (math.pi - 1),
            "Это ответ для ReLU. У модуля наклон по обе стороны от нуля равен по величине единице.",
        ),
        ((math.pi - 2) / math.pi, "Дробь перевёрнута: множитель не бывает меньше единицы."),
        (1 / (1 - math.sqrt(2 / math.pi)), "Из второго момента вычитают квадрат среднего, а не само среднее."),
    ],
    digits=3,
    right="Верно: за слой норма градиента растёт в корень из этого числа.",
    otherwise="Пока не то. Найдите среднее и второй момент |Z| для стандартного нормального Z.",
)

number(
    "xavier-tanh-variance",
    1 / 200,
    mistakes=[
        (
            0.25,
            "Это и есть ошибка из материала: плато нет, на втором слое дисперсия лишь проходит мимо этого значения.",
        ),
        (
            1 / 100,
            "Потеряна двойка: tanh² x ≈ x² − ⅔x⁴, "
            "а четвёртый момент гауссовой величины равен трём квадратам дисперсии.",
        ),
        (1 / 400, "Лишняя двойка: проверьте коэффициент при q² в рекурсии."),
        (1 / math.sqrt(200), "Это стандартное отклонение. Спрашивают дисперсию."),
        (3 / 200, "Забыт четвёртый момент: E Z⁴ = 3, а не 1."),
        (1 / 600, "Забыта тройка в знаменателе: tanh x ≈ x − x³/3."),
    ],
    digits=2,
    right="Верно: дисперсия убывает как 1/(2l), медленно, но до нуля.",
    otherwise="Пока не то. Разложите E tanh²(√q·Z) до второго порядка по q и посмотрите, как меняется 1/q за слой.",
)

number(
    "effective-step",
    16.0,
    mistakes=[
        (4.0, "Вы учли, что градиент уменьшился, но забыли, что и сам вектор стал длиннее: угол — их отношение."),
        (1.0, "Длина шага η прежняя, но направление W поворачивается на угол, а не на длину."),
        (64.0, "Лишняя степень: градиент обратно пропорционален норме, и делят на норму ещё один раз."),
        (1 / 16, "Ответ перевёрнут: спрашивают, во сколько раз угол уменьшился."),
        (2.0, "Корень здесь ни при чём: сравните η·‖∇L‖/‖W‖ в начале и в конце."),
    ],
    digits=None,
    right="Верно: отсюда и замедление, и польза затухания весов.",
    otherwise="Пока не то. Во что превращается градиент, если W умножить на c?",
)


def layer_norm_backward(x: Tensor, grad: Tensor) -> Tensor:
    """Reference: autograd."""
    x = x.clone().requires_grad_()
    y = torch.nn.functional.layer_norm(x, x.shape, eps=0.0)
    return torch.autograd.grad(y, x, grad)[0]


def forgets_the_mean(x: Tensor, grad: Tensor) -> Tensor:
    """No subtraction of the mean of grad."""
    s = x.std(correction=0)
    normalized = (x - x.mean()) / s
    return (grad - normalized * (grad * normalized).mean()) / s


def forgets_the_scale(x: Tensor, grad: Tensor) -> Tensor:
    """The standard deviation taken as a constant."""
    return (grad - grad.mean()) / x.std(correction=0)


def forgets_to_divide(x: Tensor, grad: Tensor) -> Tensor:
    """No factor 1/s."""
    s = x.std(correction=0)
    return layer_norm_backward(x, grad) * s


def divides_by_variance(x: Tensor, grad: Tensor) -> Tensor:
    """1/s² instead of 1/s."""
    return layer_norm_backward(x, grad) / x.std(correction=0)


def corrected_deviation(x: Tensor, grad: Tensor) -> Tensor:
    """x.std() with Bessel's correction."""
    s = x.std()
    normalized = (x - x.mean()) / s
    return (grad - grad.mean() - normalized * (grad * normalized).mean()) / s


def raw_input(x: Tensor, grad: Tensor) -> Tensor:
    """X in place of the normalized vector."""
    return (grad - grad.mean() - x * (grad * x).mean()) / x.std(correction=0)


def centered_input(x: Tensor, grad: Tensor) -> Tensor:
    """X - mean in place of the normalized vector."""
    return raw_input(x - x.mean(), grad)


def default_eps(x: Tensor, grad: Tensor) -> Tensor:
    """The epsilon of nn.LayerNorm."""
    x = x.clone().requires_grad_()
    y = torch.nn.functional.layer_norm(x, x.shape)
    return torch.autograd.grad(y, x, grad)[0]


def sums_the_projection(x: Tensor, grad: Tensor) -> Tensor:
    """A sum in place of the mean of grad * normalized."""
    s = x.std(correction=0)
    normalized = (x - x.mean()) / s
    return (grad - grad.mean() - normalized * (grad @ normalized)) / s


def _cases(generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    cases = []
    for size, spread, shift in [(3, 1.0, 0.0), (4, 2.0, 1.0), (8, 0.5, -3.0), (16, 5.0, 2.0), (64, 0.1, 0.5)]:
        x, grad = torch.randn(2, size, generator=generator, dtype=torch.float64)
        cases.append((spread * x + shift, grad))
    return cases


function(
    "layer-norm-backward",
    reference=layer_norm_backward,
    cases=_cases,
    most_elements=lambda arguments: 4 * len(arguments[0]),
    mistakes=[
        (forgets_the_mean, "Не учтено, что среднее зависит от каждой координаты: вычтите из градиента его среднее."),
        (forgets_the_scale, "Разброс s взят за постоянную, а он тоже зависит от x: не хватает слагаемого с x̂."),
        (forgets_to_divide, "Забыт множитель 1/s."),
        (divides_by_variance, "Делить надо на стандартное отклонение, а не на дисперсию."),
        (corrected_deviation, "x.std() делит на D − 1, а LayerNorm — на D: нужен correction=0."),
        (raw_input, "В проекторе должен стоять нормированный вектор x̂, а не x."),
        (centered_input, "В проекторе должен стоять нормированный вектор x̂, а не x − x̄: поделите на s."),
        (sums_the_projection, "Перед x̂ должно стоять среднее координат g ⊙ x̂, а не сумма."),
        (default_eps, "Добавка ε здесь не нужна: в условии её нет."),
    ],
)
