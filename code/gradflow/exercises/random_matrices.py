"""Checks of the exercises on random matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradflow.exercises._authoring import choice, function, number

_EULER = 0.5772156649015329

number(
    "half-mask",
    1 / math.sqrt(0.25),
    mistakes=[
        (1 / 0.25, "Потерян корень: множитель при матрице умножает квадрат длины на свой квадрат."),
        (0.5, "Это во столько раз уменьшилась сама длина. Усиление должно её вернуть."),
        (math.sqrt(2), "Это ответ для p = 1/2, а здесь остаётся четверть координат."),
        (0.25, "Это доля, которая осталась от среднего квадрата, а спрашивают усиление."),
    ],
    digits=None,
    right="Верно: усиление 1/√p.",
    otherwise="Пока не то. Посчитайте средний квадрат одной координаты после маски.",
)

number(
    "lyapunov-4x4",
    (1 - _EULER + math.log(2)) / 2,
    mistakes=[
        (math.log(2), "Это темп среднего квадрата, ln σ. Типичный темп меньше."),
        (1 - _EULER + math.log(2), "Потеряна половина: длина — корень из χ²."),
        ((1 - _EULER + math.log(0.5)) / 2, "Взято σ = 1. У этих матриц дисперсия элемента 1 = σ²/N, и σ = 2."),
        ((1 + 1 / 2 + 1 / 3 - _EULER + math.log(2)) / 2, "Взято ψ(N) вместо ψ(N/2)."),
        ((1 - _EULER + math.log(2)) / 2 / math.log(10), "Это десятичный логарифм, а спрашивают натуральный."),
        (100 * (1 - _EULER + math.log(2)) / 2 / math.log(10), "Это порядки за сто множителей, а в поле — λ₁ за один."),
    ],
    digits=2,
    right="Верно. За сто множителей набегает около 24 порядков.",
    otherwise="Пока не то. Найдите σ из дисперсии элемента и подставьте N = 4 в формулу.",
)

choice(
    "radius-of-factors",
    [
        (
            "Если $\\rho$ каждого множителя больше единицы, произведение растёт",
            False,
            "Нет: diag(2; 0,1) и diag(0,1; 2) гасят друг друга. Радиусы разных матриц не перемножаются.",
        ),
        (
            "Произведение может расти и тогда, когда $\\rho<1$ у каждого множителя",
            True,
            "Может: посмотрите на две нильпотентные матрицы, верхнюю и нижнюю.",
        ),
        (
            "Растёт или гаснет типичная длина под независимыми гауссовыми множителями, решает знак $\\lambda_1$",
            True,
            "Верно: типичная длина растёт как exp(nλ₁).",
        ),
        (
            "Бывает, что средний квадрат длины растёт, а типичная длина гаснет",
            True,
            "Бывает: темп среднего ln σ всегда больше λ₁, и между ними есть место для нуля.",
        ),
        (
            "Если $\\sigma_{\\max}$ каждого множителя больше единицы, произведение растёт",
            False,
            "Нет: растянутое одним множителем направление следующий может сжать.",
        ),
    ],
    several=True,
)

number(
    "radius-of-factors-threshold",
    math.exp(_EULER / 2),
    mistakes=[
        (1.0, "При σ = 1 постоянен средний квадрат, а типичная длина уже гаснет."),
        (0.5, "Это граница для наибольшего сингулярного числа большой матрицы, а не для показателя."),
        (math.exp(_EULER), "Потеряна половина в показателе: λ₁ = ln σ − γ/2."),
        (math.exp(-_EULER / 2), "Знак: ψ(1) отрицательна, и порог должен её перевесить."),
        (math.sqrt(2), "Это множитель для ReLU. Здесь активации нет."),
    ],
    digits=3,
    right="Верно. Между 1 и этим порогом среднее растёт, а типичное гаснет.",
    otherwise="Пока не то. Приравняйте к нулю показатель λ₁ при N = 2.",
)


def lyapunov(factors: Tensor) -> Tensor:
    """Heights by Gram-Schmidt, written out."""
    size = factors.shape[-1]
    basis = list(torch.eye(size, dtype=factors.dtype))
    total = torch.zeros(size, dtype=factors.dtype)
    for W in factors:
        images = [W @ q for q in basis]
        basis = []
        for image in images:
            for _ in range(2):  # twice is enough
                for q in basis:
                    image = image - (q @ image) * q
            basis.append(image / image.norm())
        heights = [q @ image for q, image in zip(basis, images, strict=True)]
        total = total + torch.stack(heights).log()
    return total / len(factors)


def _not_carried(factors: Tensor) -> Tensor:
    heights = [torch.linalg.qr(W).R.diagonal().abs().log() for W in factors]
    return torch.stack(heights).mean(0)


def _in_order_of_size(factors: Tensor) -> Tensor:
    return lyapunov(factors).sort(descending=True).values


def _finished_product(factors: Tensor) -> Tensor:
    P = torch.eye(factors.shape[-1], dtype=factors.dtype)
    for W in factors:
        P = W @ P
    values: Tensor = torch.linalg.svdvals(P)
    return values.log() / len(factors)


def _without_modulus(factors: Tensor) -> Tensor:
    Q = torch.eye(factors.shape[-1], dtype=factors.dtype)
    total = torch.zeros(factors.shape[-1], dtype=factors.dtype)
    for W in factors:
        Q, R = torch.linalg.qr(W @ Q)
        total = total + R.diagonal().log()
    return total / len(factors)


def _not_divided(factors: Tensor) -> Tensor:
    return lyapunov(factors) * len(factors)


def _singular_values_of_factors(factors: Tensor) -> Tensor:
    values: Tensor = torch.linalg.svdvals(factors)
    return values.log().mean(0)


def _eigenvalues_of_factors(factors: Tensor) -> Tensor:
    values: Tensor = torch.linalg.eigvals(factors)
    return values.abs().sort(dim=-1, descending=True).values.log().mean(0)


def _decimal_logarithm(factors: Tensor) -> Tensor:
    return lyapunov(factors) / math.log(10)


def _latest_first(factors: Tensor) -> Tensor:
    return lyapunov(factors.flip(0))


def cases(generator: torch.Generator) -> list[tuple[Tensor]]:
    """Gaussian factors of several sizes; the products of the last ones leave the range of float64."""
    sizes = [(1, 2), (2, 2), (3, 1), (5, 3), (10, 4), (40, 5), (200, 3), (500, 4)]
    scales = [1.0, 1.0, 0.5, 2.0, 1.0, 1.0, 0.01, 0.1]
    return [
        (scale * torch.randn(T, N, N, generator=generator, dtype=torch.float64),)
        for (T, N), scale in zip(sizes, scales, strict=True)
    ]


function(
    "lyapunov",
    reference=lyapunov,
    cases=cases,
    mistakes=[
        (
            _not_carried,
            "Множители измерены каждый в своём базисе: либо новая Q не передана следующему шагу, "
            "либо раскладывают Q W вместо W Q.",
        ),
        (_not_divided, "Сумма не разделена на число шагов: показатель — это темп за один множитель."),
        (_singular_values_of_factors, "Усреднены сингулярные числа отдельных множителей. У произведения они другие."),
        (_eigenvalues_of_factors, "Усреднены собственные числа отдельных множителей. У произведения они другие."),
        (_decimal_logarithm, "Логарифм десятичный, а нужен натуральный."),
        (_in_order_of_size, "Показатели переставлены: порядок — как у столбцов, сортировать не нужно."),
        (
            _finished_product,
            "Это логарифмы сингулярных чисел готового произведения: "
            "за конечное число шагов они другие, а на длинном произведении теряются.",
        ),
        (_without_modulus, "Диагональ R бывает отрицательной: логарифм берут от модуля."),
        (_latest_first, "Множители взяты в обратном порядке: первой действует factors[0]."),
    ],
    rtol=1e-7,
    atol=1e-9,
)
