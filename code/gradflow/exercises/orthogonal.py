"""Checks of the exercises on orthogonal matrices and activations that keep the gradient."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from gradflow.exercises._authoring import choice, function, number

choice(
    "isometric-activations",
    [
        ("$\\mathrm{ReLU}$", False, "Сингулярные числа шага у ReLU — единицы и нули, и каждый нуль окончателен."),
        ("$\\lvert a\\rvert$", True, "Наклоны модуля равны плюс или минус единице, и диагональ из них ортогональна."),
        ("Leaky ReLU с наклоном $0{,}99$", False, "Возведите 0,99 в тысячную степень: останется меньше 10⁻⁴."),
        ("MaxMin", True, "Сортировка пары либо ничего не делает, либо меняет числа местами: это перестановка."),
        ("$\\tanh$", False, "Наклон tanh равен единице только в нуле, в остальных точках он меньше."),
        (
            "Поворот каждой пары нейронов на постоянный угол",
            True,
            "Поворот — ортогональная матрица, и его якобиан равен ему самому.",
        ),
    ],
    several=True,
    right="Верно. Заметьте, что ни одна из верных нелинейных активаций не взаимно однозначна.",
)

number(
    "linear-memory-identity",
    6,
    mistakes=[
        (240, "Столько чисел подано на вход. Но при W = I все слагаемые Vx складываются в одну сумму."),
        (32, "Столько чисел в состоянии, но сумма V(x₁ + … + x₄₀) лежит в образе V."),
        (1, "Сумма — это вектор, а не число: она помнит сумму каждого входа по отдельности."),
        (40, "Число шагов ни при чём: порядок входов при W = I забыт."),
    ],
    digits=None,
    right="Верно: сумматор помнит суммы и ничего больше.",
    otherwise="Пока не то. Подставьте W = I в формулу для состояния.",
)

number(
    "linear-memory-orthogonal",
    32,
    mistakes=[
        (240, "Ранг не больше числа строк матрицы, а их столько, сколько чисел в состоянии."),
        (6, "Так при W = I. Степени случайной матрицы поворачивают V каждый раз по-новому."),
        (40, "Ранг ограничен шириной сети, а не числом шагов."),
        (30, "Пять полных входов по шесть чисел — тридцать, но и остаток состояния не пустует."),
    ],
    digits=None,
    right="Верно: лента кончилась раньше, чем входы.",
    otherwise="Пока не то. Сколько строк у матрицы [W³⁹V, …, WV, V]?",
)


def nearest_orthogonal(W: Tensor) -> Tensor:
    """The orthogonal polar factor by Newton's iteration, without a singular value decomposition."""
    Q = W.clone()
    for _ in range(60):
        Q = (Q + torch.linalg.inv(Q).mT) / 2
    return Q


def _by_qr(W: Tensor) -> Tensor:
    """The mistake of the QR factor: orthogonal, but not the nearest."""
    Q: Tensor = torch.linalg.qr(W).Q
    return Q


def _by_spectral_norm(W: Tensor) -> Tensor:
    """The mistake of dividing by the largest singular value."""
    scaled: Tensor = W / torch.linalg.matrix_norm(W, 2)
    return scaled


def _wrong_order(W: Tensor) -> Tensor:
    """The mistake of multiplying the factors in the other order."""
    X, _, Yt = torch.linalg.svd(W)
    Q: Tensor = Yt @ X
    return Q


def _by_rows(W: Tensor) -> Tensor:
    """The mistake of normalizing rows."""
    scaled: Tensor = W / W.norm(dim=1, keepdim=True)
    return scaled


def _left_factor(W: Tensor) -> Tensor:
    """The mistake of keeping the left singular vectors only."""
    U: Tensor = torch.linalg.svd(W).U
    return U


def _transposed_twice(W: Tensor) -> Tensor:
    """The mistake of transposing the factor that comes transposed."""
    X, _, Yt = torch.linalg.svd(W)
    Q: Tensor = X @ Yt.mT
    return Q


def _by_qr_with_signs(W: Tensor) -> Tensor:
    """The mistake of the QR factor whose triangle has a positive diagonal."""
    Q, R = torch.linalg.qr(W)
    signed: Tensor = Q * R.diagonal().sign()
    return signed


def _rotation(W: Tensor) -> Tensor:
    """The mistake of forcing the determinant to +1."""
    X, _, Yt = torch.linalg.svd(W)
    X[:, -1] *= torch.linalg.det(X @ Yt).sign()
    Q: Tensor = X @ Yt
    return Q


def _cases(generator: Generator) -> list[tuple[Tensor]]:
    sizes = (1, 2, 2, 3, 5, 8, 16)
    cases = [(torch.randn(n, n, generator=generator, dtype=torch.float64) + 0.3 * torch.eye(n),) for n in sizes]
    near = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
    return [*cases, (near + 0.05 * torch.randn(6, 6, generator=generator, dtype=torch.float64),)]


function(
    "nearest-orthogonal",
    reference=nearest_orthogonal,
    cases=_cases,
    mistakes=[
        (_by_qr, "Множитель Q из QR-разложения ортогонален, но не ближайший: он подстроен под первый столбец."),
        (
            _by_qr_with_signs,
            "Ортогональна, но не ближайшая: QR и с поправленными знаками подстроен под первый столбец.",
        ),
        (_transposed_twice, "torch.linalg.svd возвращает правый множитель уже транспонированным: второй раз не нужно."),
        (_rotation, "Определитель менять не нужно: ближайшая матрица бывает и отражением."),
        (_by_spectral_norm, "Деление на спектральную норму делает единицей одно сингулярное число, а нужны все."),
        (_wrong_order, "Множители сингулярного разложения стоят в обратном порядке."),
        (_by_rows, "Строки стали единичными, но друг другу они не перпендикулярны."),
        (_left_factor, "Одних левых сингулярных векторов мало: забыт множитель справа."),
    ],
    rtol=1e-6,
    atol=1e-8,
)

choice(
    "orthogonal-drift",
    [
        (
            "Ортогональная инициализация гарантирует, что $W$ останется ортогональной",
            False,
            "Посмотрите на второй столбец журнала: уже через сто шагов числа разошлись.",
        ),
        (
            "Обучение увело $W$ от ортогональной: инициализация ничего не обещает про следующие шаги",
            True,
            "Обычный шаг Adam прибавляет к W произвольную матрицу. Где σ были после ста шагов?",
        ),
        (
            "Градиент затухал бы и при вечно ортогональной $W$: в якобиане есть ещё наклоны $\\tanh$",
            True,
            "Перемножаются diag(f′)·W, и наклоны tanh меньше единицы всюду, кроме нуля.",
        ),
        (
            "Раз $\\sigma_{\\max}=3{,}5>1$, градиент обязан взрываться",
            False,
            "Большое σ необходимо для взрыва, но не достаточно: насыщенный tanh умножает его на маленький наклон.",
        ),
        (
            "Параметризация удержит $\\sigma=1$, но одной её этой сети не хватит",
            True,
            "Она чинит матрицу, а гасят градиент наклоны. Вспомните опыт, где с той же матрицей менялась активация.",
        ),
    ],
    several=True,
    right="Верно. В якобиане два множителя, и лечить надо оба.",
)
