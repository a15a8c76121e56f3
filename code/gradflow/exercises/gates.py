"""Checks of the exercises on LSTM and GRU."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gradflow.exercises._authoring import choice, function, number

choice(
    "lstm-can-explode",
    [
        (
            "Взрыва быть не может: все вентили меньше единицы, поэтому $\\lVert dc_t/dc_k\\rVert<1$",
            False,
            "Вентили ограничивают только прямой путь. В обходном стоят матрицы U, а их ничто не ограничивает.",
        ),
        (
            "Взрыв возможен, если веса $U$ достаточно велики, даже при $f<1$",
            True,
            "Загляните в матрицу C: она содержит U множителем, и M = F + C·E может быть больше единицы.",
        ),
        (
            "Прямой путь $\\prod f$ взорваться не может",
            True,
            "Произведение чисел из интервала от 0 до 1 не бывает больше единицы, какими бы ни были веса.",
        ),
        (
            "Ортогональные блоки $U$ гарантируют, что взрыва нет",
            False,
            "Ортогональная матрица здесь прибавляется к прямому пути. Сумма f и i·o·λ бывает больше единицы.",
        ),
        (
            "Отсечение по норме для LSTM излишне",
            False,
            "Раз LSTM взрывается, отсечение нужно и ей: вентили лечат затухание, а не взрыв.",
        ),
    ],
    several=True,
    right="Верно: прямой путь ограничен, обходной — нет.",
)

number(
    "forget-bias-hundred",
    math.log(99),
    mistakes=[
        (99.0, "Это exp(b). Осталось взять логарифм."),
        (math.log(100), "Память равна 1 + exp(b), а не exp(b): единицу надо вычесть до логарифма."),
        (0.99, "Это значение вентиля f, а спрашивают про сдвиг, который стоит под сигмоидой."),
        (-math.log(99), "Перепутан знак: при отрицательном сдвиге вентиль меньше половины и память короче двух шагов."),
        (math.log10(99), "Логарифм нужен натуральный: сигмоида построена на экспоненте."),
        (100.0, "Это сама память в шагах. Решите уравнение 1 + exp(b) = 100."),
    ],
    digits=4,
    right="Верно. Это почти пять — сравните с популярной единицей.",
    otherwise="Пока не то. Приравняйте память τ = 1/(1 − f) к ста шагам.",
)

number(
    "gru-forgot-everything",
    1 + 1 / 49,
    mistakes=[
        (1.0, "До целых округлять рано: нужны два знака после запятой."),
        (50.0, "Такой была память там, где сеть обучали. В PyTorch z = 1 значит «оставить старое»."),
        (49.0, "Проверьте, что означает вентиль в PyTorch: он стоит при старом состоянии, а не при новом."),
        (2.0, "Память в два шага даёт нулевой сдвиг, а здесь он равен −ln 49."),
        (1 / 49, "Вы нашли exp(b). В памяти есть ещё единица: самый свежий шаг сеть помнит всегда."),
        (0.02, "Это значение вентиля z, а спрашивают про память 1/(1 − z)."),
    ],
    digits=3,
    right="Верно: сеть помнит один шаг и ещё два процента.",
    otherwise="Пока не то. Найдите z = sigm(−ln 49) и подставьте в память прямого пути PyTorch.",
)


def _fresh(hidden: int, inputs: int, generator: torch.Generator) -> Any:
    """An LSTM with random parameters that remembers a copy of them, for properties that compare."""
    lstm = nn.LSTM(inputs, hidden, dtype=torch.float64)
    with torch.no_grad():
        for parameter in lstm.parameters():
            nn.init.uniform_(parameter, -0.5, 0.5, generator=generator)
    lstm.original = {name: parameter.detach().clone() for name, parameter in lstm.named_parameters()}
    return lstm


def _keeps(name: str) -> Callable[[tuple[Any, ...], object], bool]:
    """The property that a parameter has not changed."""
    return lambda args, result: torch.equal(getattr(args[0], name), args[0].original[name])


def _biases(lstm: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of the two biases: input gate, forget gate, the rest."""
    total = (lstm.bias_ih_l0 + lstm.bias_hh_l0).detach()
    i, f, g, o = total.chunk(4)
    return i, f, torch.cat((g, o))


def chrono_init_(lstm: Any, longest: int) -> Any:
    """Reference solution."""
    hidden = lstm.hidden_size
    with torch.no_grad():
        lstm.bias_ih_l0.zero_()
        lstm.bias_hh_l0.zero_()
        forget = torch.empty(hidden).uniform_(1, longest - 1).log()
        lstm.bias_hh_l0[:hidden] = -forget
        lstm.bias_hh_l0[hidden : 2 * hidden] = forget
    return lstm


def _chrono_cases(generator: torch.Generator) -> list[tuple[Any, int]]:
    sizes = [(8, 10), (16, 20), (32, 100), (64, 50), (64, 1000)]
    return [(_fresh(hidden, 3, generator), longest) for hidden, longest in sizes]


def _zero(values: Tensor) -> bool:
    return bool(values.abs().max() < 1e-5)


def _gates_in_place(args: tuple[Any, int], result: object) -> bool:
    i, f, _ = _biases(args[0])
    return not (_zero(i + f) and bool((f <= 1e-6).all()) and not _zero(f))


def _signs_differ(args: tuple[Any, int], result: object) -> bool:
    i, f, _ = _biases(args[0])
    return not (_zero(i - f) and bool((f >= 0).all()))


def _filled_once(args: tuple[Any, int], result: object) -> bool:
    """Each vector alone would do, and their sum is too large; halves whose sum stays in the range are right."""
    lstm, longest = args
    rows = slice(lstm.hidden_size, 2 * lstm.hidden_size)
    halves = torch.stack((lstm.bias_ih_l0[rows], lstm.bias_hh_l0[rows])).detach()
    most = math.log(longest - 1) + 1e-5
    each_in_range = bool((halves >= -1e-6).all()) and bool((halves <= most).all())
    return not (each_in_range and bool((halves.sum(0) > most).any()))


def _drawn_once(args: tuple[Any, int], result: object) -> bool:
    i, f, rest = _biases(args[0])
    return _zero(i + f) or not _zero(rest)


def _nothing_else_is_left(args: tuple[Any, int], result: object) -> bool:
    return _zero(_biases(args[0])[2])


def _within_range(args: tuple[Any, int], result: object) -> bool:
    f = _biases(args[0])[1]
    return bool((f >= -1e-6).all()) and bool((f <= math.log(args[1] - 1) + 1e-5).all())


def _units_differ(args: tuple[Any, int], result: object) -> bool:
    f = _biases(args[0])[1]
    return not _zero(f - f.mean())


def _memory_is_uniform(args: tuple[Any, int], result: object) -> bool:
    """The mean of exp(b) over 64 units is T/2 ± 4 %; a uniform bias gives T / ln T."""
    f = _biases(args[0])[1]
    return args[1] < 1000 or bool(f.exp().mean() > 0.3 * args[1])


function(
    "chrono-init",
    reference=chrono_init_,
    cases=_chrono_cases,
    mistakes=[],
    properties=[
        (_keeps("weight_hh_l0"), "Изменены веса weight_hh_l0, а заполнять нужно только сдвиги."),
        (_keeps("weight_ih_l0"), "Изменены веса weight_ih_l0, а заполнять нужно только сдвиги."),
        (_gates_in_place, "Перепутаны вентили: в PyTorch порядок блоков i, f, g, o, и первый из них — входной."),
        (_signs_differ, "Сдвиг входного вентиля должен быть противоположен сдвигу забывания, а он ему равен."),
        (_filled_once, "Заполнены и bias_ih, и bias_hh: они складываются, и сумма вышла больше нужной."),
        (_drawn_once, "Сдвиг входного вентиля — это −b_f того же нейрона: разыграйте b_f один раз."),
        (
            _nothing_else_is_left,
            "Сдвиги g и o в сумме должны быть нулевыми, а у входного вентиля −b_f. Не остались ли старые значения?",
        ),
        (_within_range, "Сдвиг забывания вышел за отрезок от 0 до ln(T − 1). Не забыт ли логарифм?"),
        (_units_differ, "У всех нейронов одна и та же память, а её надо разыграть для каждого отдельно."),
        (
            _memory_is_uniform,
            "Равномерно распределён сам сдвиг, а должна быть память: сначала uniform, потом логарифм.",
        ),
    ],
    changes=[0],
    observe=lambda args, result: [],
)


def orthogonal_lstm_(lstm: Any) -> Any:
    """Reference solution."""
    with torch.no_grad():
        for block in lstm.weight_hh_l0.split(lstm.hidden_size):
            nn.init.orthogonal_(block)
    return lstm


def _blocks(lstm: Any) -> Tensor:
    return torch.stack(lstm.weight_hh_l0.detach().split(lstm.hidden_size))


def _each_block_is_orthogonal(lstm: Any) -> bool:
    blocks = _blocks(lstm)
    return _zero(blocks.mT @ blocks - torch.eye(lstm.hidden_size, dtype=blocks.dtype))


def _not_the_whole(args: tuple[Any], result: object) -> bool:
    whole = args[0].weight_hh_l0.detach()
    columns = _zero(whole.mT @ whole - torch.eye(args[0].hidden_size, dtype=whole.dtype))
    return _each_block_is_orthogonal(args[0]) or not columns


def _not_the_input(args: tuple[Any], result: object) -> bool:
    return _keeps("weight_ih_l0")(args, result) or not _keeps("weight_hh_l0")(args, result)


def _blocks_differ(args: tuple[Any], result: object) -> bool:
    blocks = _blocks(args[0])
    return not _zero(blocks - blocks[:1])


function(
    "orthogonal-lstm",
    reference=orthogonal_lstm_,
    cases=lambda generator: [(_fresh(hidden, 3, generator),) for hidden in (4, 8, 16, 32)],
    mistakes=[],
    properties=[
        (_not_the_whole, "Ортонормированы столбцы всей матрицы 4H×H. Ортогональным должен быть каждый блок H×H."),
        (_not_the_input, "Вы изменили входные веса weight_ih_l0, а градиент во времени умножается на weight_hh_l0."),
        (
            lambda args, result: _each_block_is_orthogonal(args[0]),
            "Блоки H×H не ортогональны: проверьте UᵀU = I для каждого.",
        ),
        (_blocks_differ, "Все четыре блока одинаковы: вентили начнут с одной и той же матрицей."),
        (_keeps("weight_ih_l0"), "Входные веса weight_ih_l0 должны остаться прежними."),
        (_keeps("bias_ih_l0"), "Сдвиги bias_ih_l0 должны остаться прежними."),
        (_keeps("bias_hh_l0"), "Сдвиги bias_hh_l0 должны остаться прежними."),
    ],
    changes=[0],
    observe=lambda args, result: [],
)
