"""Checks of the page on transformers."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from gradflow.exercises._authoring import choice, function, number

number(
    "softmax-jacobian-norm",
    3 / 8,
    mistakes=[
        (1 / 2, "Это верхняя граница для всех весов. Она достигается, только когда весь вес у двух токенов."),
        (1 / 4, "Это собственное число вектора (0, 1, −1), но есть и большее. Попробуйте вектор (2, −1, −1)."),
        (5 / 8, "Это след, то есть сумма собственных чисел: 0, 1/4 и ещё одно. Норма — наибольшее из них."),
        (
            math.sqrt(13) / 8,
            "Это норма Фробениуса, корень из суммы квадратов собственных чисел. Спрашивают спектральную.",
        ),
    ],
    digits=3,
    right="Верно: второе ненулевое собственное число 1/4, а следу 5/8 столько и остаётся.",
    otherwise="Пока не то. Один собственный вектор — из единиц, второй (0, 1, −1); третий им обоим ортогонален.",
)

number(
    "gpt2-factor",
    1 / math.sqrt(96),
    mistakes=[
        (1 / math.sqrt(48), "В блоке две ветви, и складываются дисперсии обеих: слагаемых 96, а не 48."),
        (1 / 96, "Складываются дисперсии, а не сами величины: из числа ветвей извлекают корень."),
        (1 / 48, "Складываются дисперсии, да и ветвей в блоке две."),
        (math.sqrt(96), "Это во сколько раз вырос бы вклад ветвей. Множитель — обратная величина."),
        (1 / math.sqrt(97), "Единица входа сюда не идёт: единице должен равняться вклад ветвей, их 96."),
    ],
    digits=3,
    right="Верно: в GPT-2 на этот множитель умножают веса последних матриц обеих ветвей при инициализации.",
    otherwise="Пока не то. Сколько независимых слагаемых прибавят к потоку 48 блоков и какая у их суммы дисперсия?",
)

number(
    "masked-radius",
    1.0,
    mistakes=[
        (0.0, "Это ρ(W): у W² = 0. Но DW — другая матрица: перемножьте и найдите её собственные числа."),
        (2.0, "Это норма W. Спрашивают наибольший модуль собственного числа DW."),
        (math.sqrt(2), "Это норма DW. Собственные числа треугольной матрицы стоят на диагонали."),
    ],
    digits=None,
    right="Верно: маска, которая только обнуляет, подняла спектральный радиус с нуля до единицы.",
    otherwise="Пока не то. Выпишите DW: вторая строка обнулилась, матрица треугольная.",
)

choice(
    "degradation",
    [
        ("Глубже — хуже, потому что градиент первых слоёв затух.", False,
         "Авторы это проверили: сети обучены с batch normalization, и норма градиента у них здоровая."),
        ("Глубже — хуже, потому что сеть переобучилась.", False,
         "Хуже ошибка на обучающей выборке, а не только на тестовой: переобучение выглядит наоборот."),
        ("Глубокая сеть хуже подбирается под обучающую выборку, и затухание авторы сочли маловероятной причиной.", True,
         "Так и написано: трудность оптимизации, а причину оставили открытой."),
        ("Глубже — хуже, потому что глубокая сеть выражает меньше функций.", False,
         "Наоборот: лишние слои могли бы быть тождественными, и хуже не стало бы."),
    ],
    right="Верно. Остаточная связь была ответом на трудность оптимизации, а не на затухание.",
)  # fmt: skip

choice(
    "growing-logits",
    [
        ("Градиент весов $W_Q$ и $W_K$ в таких слоях близок к нулю.", True,
         "Веса внимания почти 0 и 1, якобиан softmax мал, а сквозь него идёт весь градиент запросов и ключей."),
        ("Отсечение по норме вернёт этим слоям обучение.", False,
         "Отсечение только уменьшает градиент, а здесь он и так мал."),
        ("RMSNorm на запросах и ключах ограничит логиты числом $\\sqrt d$ при любых весах.", True,
         "Длина каждого запроса и ключа станет √d, и по неравенству Коши — Буняковского |⟨q, k⟩|/√d ≤ √d."),
        ("Раз потеря конечна, чинить нечего: логиты уменьшатся сами.", False,
         "Их уменьшил бы градиент, а он прошёл бы через тот же насыщенный softmax."),
        ("Меньшая скорость обучения с самого начала могла бы этого не допустить.", True,
         "Чем больше скорость, тем больше наибольший логит: в опыте раздела он растёт на порядки."),
    ],
    several=True,
    right="Верно. Вес и производная умерли вместе.",
)  # fmt: skip


def attention_logit_gradient(z: Tensor, v: Tensor, grad: Tensor) -> Tensor:
    """By autograd."""
    leaf = z.detach().clone().requires_grad_()
    (result,) = torch.autograd.grad(((leaf.softmax(0) @ v) * grad).sum(), leaf)
    return result


def _not_centered(z: Tensor, v: Tensor, grad: Tensor) -> Tensor:
    return z.softmax(0) * (v @ grad)


def _plain_mean(z: Tensor, v: Tensor, grad: Tensor) -> Tensor:
    y = v @ grad
    return z.softmax(0) * (y - y.mean())


def _without_weights(z: Tensor, v: Tensor, grad: Tensor) -> Tensor:
    y = v @ grad
    return y - z.softmax(0) @ y


def _sigmoid_like(z: Tensor, v: Tensor, grad: Tensor) -> Tensor:
    p = z.softmax(0)
    return p * (1 - p) * (v @ grad)


def _by_values(z: Tensor, v: Tensor, grad: Tensor) -> Tensor:
    return torch.outer(z.softmax(0), grad)


def _opposite(z: Tensor, v: Tensor, grad: Tensor) -> Tensor:
    p, y = z.softmax(0), v @ grad
    return p * (p @ y - y)


def _cases(generator: Generator) -> list[tuple[Tensor, Tensor, Tensor]]:
    cases = []
    for tokens, width, scale in ((2, 3, 1.0), (3, 2, 1.0), (5, 4, 3.0), (400, 8, 1.0)):
        z = scale * torch.randn(tokens, generator=generator, dtype=torch.float64)
        v = torch.randn(tokens, width, generator=generator, dtype=torch.float64)
        cases.append((z, v, torch.randn(width, generator=generator, dtype=torch.float64)))
    return cases


function(
    "attention-logit-gradient",
    reference=attention_logit_gradient,
    cases=_cases,
    mistakes=[
        (_not_centered, "Не вычтено среднее: у якобиана softmax есть и вторая часть, −ppᵀ."),
        (_plain_mean, "Вычтено простое среднее, а нужно среднее с весами p."),
        (_without_weights, "Разность посчитана, но не умножена на вес токена."),
        (_sigmoid_like, "Взята только диагональ якобиана, p(1 − p): логит меняет и веса соседей."),
        (_by_values, "Это производная по значениям v, а спрашивают по логитам."),
        (_opposite, "Перепутан знак."),
    ],
    by_hand=True,
    most_elements=lambda arguments: 4 * max(arguments[1].numel(), 64),
    right="Верно. Матрица T×T здесь не нужна, и большие программы её тоже не строят.",
)
