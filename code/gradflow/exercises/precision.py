"""Checks of the page on half precision."""

import torch
from torch import Generator, Tensor

from gradflow.exercises._authoring import choice, function, number

number(
    "smallest-loss-scale",
    4,
    mistakes=[
        (5, "При k = 4 получается 4,8·10⁻⁸: меньше наименьшего числа, но больше его половины, и округляется вверх."),
        (3, "При k = 3 выходит 2,4·10⁻⁸, а это меньше половины наименьшего числа: ноль."),
        (15, "Это множитель, при котором число становится нормальным. Чтобы не стать нулём, хватит меньшего."),
        (16, "Нужен показатель степени, а не сам множитель."),
    ],
    digits=None,
    right="Верно. Уцелел, правда, всего один бит.",
    otherwise="Пока не то. Сравните 3·10⁻⁹·2ᵏ с половиной наименьшего числа, 2⁻²⁵.",
)

number(
    "stuck-weight",
    0.5,
    mistakes=[
        (
            0.25,
            "У весов от 0,25 до 0,5 половина расстояния до соседа 2⁻¹⁰ ≈ 0,00098: шаг чуть больше и вес сдвинет.",
        ),
        (0.125, "Шаг сравнивают с половиной расстояния до соседа, а у таких весов оно равно 2⁻¹⁰."),
        (1.0, "У весов от 0,5 до 1 половина расстояния до соседа 2⁻⁹ ≈ 0,00195: они уже стоят."),
        (0.256, "Границы здесь — степени двойки: расстояние до соседа меняется скачком."),
    ],
    digits=None,
    right="Верно: единицы, с которых начинают нормировки, застыли бы.",
    otherwise="Пока не то. Между 2ᵉ и 2ᵉ⁺¹ числа bfloat16 идут с шагом 2ᵉ⁻⁷; шаг обучения должен быть больше половины.",
)

choice(
    "scaler-order",
    [
        ("Без `unscale_` перед отсечением длина шага не больше $lr\\cdot1/65536$.", True,
         "Отсечение видит градиент, умноженный на S, и доводит до единицы его; step потом делит на S."),
        ("`unscale_` перед отсечением заставит `step` поделить градиенты ещё раз.", False,
         "step помнит, что unscale_ уже был, и второй раз не делит."),
        ("Если градиент не конечен, `step` пропустит шаг, а `update` уменьшит множитель.", True,
         "Так GradScaler и находит потолок: проверка встроена в step."),
        ("С `error_if_nonfinite=True` отсечение безопаснее: множитель уменьшится раньше.", False,
         "Исключение прервёт цикл до update(), и множитель не изменится вовсе."),
    ],
    several=True,
    right="Верно: сначала unscale_, потом отсечение, step и update.",
)  # fmt: skip

choice(
    "melting-scale",
    [
        ("Множитель был слишком велик; надо подождать, пока он уменьшится.", False,
         "Он уже меньше единицы, то есть градиенты уменьшают, а не увеличивают. Ждать нечего."),
        ("Скорость обучения слишком велика.", False,
         "Все шаги пропущены: веса не менялись, и длина шага ни на что не влияла."),
        ("В обратном проходе inf или nan при любом множителе; `GradScaler` пропускает все шаги.", True, ""),
        ("Градиенты исчезли: во float16 все они нули.", False,
         "Нули конечны: GradScaler их не пропускает и множитель из-за них не уменьшает."),
    ],
    right="Верно. Ищите операцию, чья производная не конечна.",
)  # fmt: skip


def kahan_step(w: Tensor, lost: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    """Through float64: what was wanted, what was done, the rest."""
    wanted = update.double() + lost.double()
    new = (w.float() + wanted.float()).to(torch.bfloat16)
    return new, (wanted.float() - (new.float() - w.float())).to(torch.bfloat16)


def forgets_the_debt(w: Tensor, lost: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    """The old loss is not added."""
    return kahan_step(w, torch.zeros_like(lost), update)


def keeps_nothing(w: Tensor, lost: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    """The loss stays as it was."""
    return (w.float() + update + lost.float()).to(torch.bfloat16), lost


def opposite_sign(w: Tensor, lost: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    """What was done minus what was wanted."""
    new, rest = kahan_step(w, lost, update)
    return new, -rest


def adds_debts(w: Tensor, lost: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    """The new loss is added to the old one, although the old one has been paid."""
    new, rest = kahan_step(w, lost, update)
    return new, (rest.float() + lost.float()).to(torch.bfloat16)


def rounds_the_update(w: Tensor, lost: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    """Everything in bfloat16."""
    wanted = update.to(torch.bfloat16) + lost
    new = w + wanted
    return new, wanted - (new - w)


def _cases(generator: Generator) -> list[tuple[Tensor, Tensor, Tensor]]:
    cases = []
    for size, length in ((2, 1e-3), (3, 1e-3), (8, 1e-4), (16, 1e-2), (32, 1e-3)):
        w, lost, update = torch.randn(3, size, generator=generator)
        cases.append((w.to(torch.bfloat16), (1e-3 * lost).to(torch.bfloat16), length * update))
    return cases


function(
    "kahan-step",
    reference=kahan_step,
    cases=_cases,
    mistakes=[
        (forgets_the_debt, "Старый долг не прибавлен: вместе с шагом надо вернуть и то, что потеряно раньше."),
        (keeps_nothing, "Долг не обновлён: он должен стать тем, что потеряло это сложение."),
        (opposite_sign, "У долга перепутан знак: из того, что хотели прибавить, вычитают то, на что вес сдвинулся."),
        (adds_debts, "Старый долг посчитан дважды: он уже прибавлен к весу вместе с шагом."),
        (
            rounds_the_update,
            "Шаг округлён до bfloat16 ещё до сложения: вычисления между округлениями ведите в float32.",
        ),
    ],
    rtol=1e-2,
    atol=1e-6,
    right="Верно. Так обходятся без копии весов в float32.",
)
