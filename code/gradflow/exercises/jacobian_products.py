"""Checks of the exercises on products of Jacobians."""

import torch
from torch import Tensor

from gradflow.exercises._authoring import choice, function, number

choice(
    "radius-below-one",
    [
        (
            "Сеть линейна, $f(a)=a$, и $\\rho(W)<1$: градиент в конце концов затухает",
            True,
            "Здесь все множители равны W, и формула Гельфанда обещает предел; о начале пути она молчит.",
        ),
        (
            "$f=\\tanh$ и $\\rho(W)<1$: градиент затухает при любых входах",
            False,
            "Входами можно выбирать наклоны, а матрицы diag(s)W с разными s собственных чисел W не помнят.",
        ),
        (
            "$f=\\tanh$ и $\\sigma_{\\max}(W)<1$: градиент затухает при любых входах",
            True,
            "Наклоны tanh не больше единицы, значит каждый множитель сжимает не слабее, чем W.",
        ),
        (
            "$f=\\tanh$ и $\\sigma_{\\max}(W)>1$: градиент взрывается",
            False,
            "Условие необходимое, но не достаточное: вспомните насыщение.",
        ),
        (
            "$f=\\mathrm{ReLU}$, $W$ симметрична и $\\rho(W)<1$: градиент затухает",
            True,
            "У симметричной матрицы наибольшее сингулярное число равно спектральному радиусу.",
        ),
    ],
    several=True,
    right="Верно. Собственные числа годятся для степеней одной матрицы, для разных множителей нужна норма.",
)

number(
    "leaky-nilpotent",
    1 - 1 / 1.5,
    mistakes=[
        (1 / 1.5, "Это значение множителя 1 − α, а спрашивали α."),
        (1.0, "При α = 1 сеть линейна и состояние обнуляется за два шага; перестаёт расти оно раньше."),
        (0.5, "Множитель шага — произведение c(1 − α), а не разность c − α."),
        (0.0, "При α = 0 это обычный ReLU, и состояние растёт в полтора раза за шаг."),
    ],
    digits=2,
    right="Верно: за шаг состояние умножается на c(1 − α), и протечка гасит взрыв.",
    otherwise="Пока не то. Сделайте два шага вручную и посмотрите, на что умножилась первая координата.",
)

choice(
    "orthogonal-facts",
    [
        (
            "Все собственные числа $Q$ равны $1$ или $-1$",
            False,
            "Найдите собственные числа поворота плоскости на прямой угол.",
        ),
        (
            "Все собственные числа $Q$ по модулю равны единице",
            True,
            "Длина собственного вектора при умножении на Q сохраняется.",
        ),
        (
            "Все сингулярные числа $Q$ равны единице",
            True,
            "Сингулярные числа — корни из собственных чисел матрицы QᵀQ.",
        ),
        (
            "Все собственные числа $Q$ равны $0$ или $1$",
            False,
            "Так у проекторов. Ортогональная матрица обратима, нуля среди чисел быть не может.",
        ),
        (
            "Сингулярные числа $\\mathrm{diag}(s)\\,Q$, где $s$ — наклоны ReLU, равны $0$ или $1$",
            True,
            "Умножьте эту матрицу на свою транспонированную: Q исчезнет.",
        ),
        (
            "Произведение якобианов $\\mathrm{diag}(s_t)\\,Q$ при $f=\\tanh$ не взрывается и не затухает",
            False,
            "Взорваться ему не дают, а вот наклоны tanh меньше единицы, и определитель тает.",
        ),
    ],
    several=True,
    right="Верно. «Ноль или один» — про сингулярные числа шага с ReLU, а не про собственные числа Q.",
)


def _jacobian_product(W: Tensor, slopes: Tensor) -> Tensor:
    """The derivative of the linear map h -> s_T * W(… s_1 * W h), by autograd."""

    def run(h: Tensor) -> Tensor:
        for slope in slopes:
            h = slope * (W @ h)
        return h

    jacobian: Tensor = torch.autograd.functional.jacobian(run, torch.zeros(len(W), dtype=W.dtype))
    return jacobian


def _product(factors: list[Tensor], W: Tensor) -> Tensor:
    return _times(factors, torch.eye(len(W), dtype=W.dtype))


def _times(factors: list[Tensor], P: Tensor) -> Tensor:
    for J in factors:
        P = J @ P
    return P


def _elementwise(W: Tensor, slopes: Tensor) -> Tensor:
    P = torch.ones_like(W)
    for slope in slopes:
        P = (slope[:, None] * W) * P
    return P


def _cases(generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    sizes = [(2, 1), (2, 2), (3, 2), (3, 5), (4, 4), (5, 7), (6, 3), (8, 10), (1, 3)]
    return [(normal(D, D) / D**0.5, torch.rand(T, D, generator=generator, dtype=torch.float64)) for D, T in sizes]


function(
    "jacobian-product",
    reference=_jacobian_product,
    cases=_cases,
    mistakes=[
        (_elementwise, "Матрицы перемножены поэлементно: * вместо @."),
        (
            lambda W, slopes: _product([s[:, None] * W for s in slopes.flip(0)], W),
            "Множители стоят в обратном порядке: последний шаг должен быть слева.",
        ),
        (
            lambda W, slopes: _product([W * s for s in slopes], W),
            "Наклоны умножили W справа: diag(s)W умножает строки, а не столбцы.",
        ),
        (
            lambda W, slopes: _product([s[:, None] * W for s in slopes[1:]], W),
            "Потерян первый множитель: шагов T, и множителей должно быть T.",
        ),
        (
            lambda W, slopes: _times([s[:, None] * W for s in slopes], torch.ones_like(W)),
            "Начинать надо с единичной матрицы, а не с матрицы из единиц.",
        ),
        (
            lambda W, slopes: _product([s[:, None] * W.T for s in slopes], W),
            "Матрица транспонирована: якобиан шага вперёд — diag(s)W.",
        ),
    ],
)

number(
    "elementwise-lab",
    10.0**14,
    mistakes=[
        (
            10.0**15,
            (
                "10¹⁵ выходит двумя путями. Либо норма матрицы из одинаковых x принята за x (она 10·x), "
                "либо * исправлено на @, а начинается произведение всё ещё не с единичной матрицы."
            ),
        ),
        (
            10.0**13,
            "Множителей пятнадцать, и степень элемента пятнадцатая: "
            "умножений на одно меньше, но первый множитель тоже есть.",
        ),
        (10.0**-14, "Ответ перевёрнут: спрашивали, во сколько раз лаборатория занизила."),
        (1.0, "Поэлементная степень и степень матрицы — разные вещи: посчитайте обе для двух множителей."),
    ],
    digits=None,
    right="Верно. Так «измеряют» затухание, которого нет.",
    otherwise="Пока не то. Найдите норму W¹⁵ и отдельно норму матрицы из пятнадцатых степеней элементов.",
)
