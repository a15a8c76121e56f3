"""Checks of the exercises on backpropagation through time."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from gradflow.exercises._authoring import choice, function, number

choice(
    "bptt-hidden-mistakes",
    [
        (
            "При $T=1$ ошибки 2, 3 и 5 на ответ не влияют",
            True,
            "Верно: при t = k = 1 произведение пустое, а полная производная совпадает с непосредственной.",
        ),
        (
            "Неверный порядок множителей заметен уже при $D=1$",
            False,
            "Числа можно переставлять. Порядок виден только у матриц, начиная с D = 2.",
        ),
        (
            "Слагаемое $k=0$ портит градиент",
            False,
            "Начальное состояние от W не зависит, его непосредственная производная равна нулю.",
        ),
        (
            "В линейной сети ($f(a)=a$) ошибка 5 исчезает",
            True,
            "Верно: наклон всюду равен единице, и номер шага у него не важен.",
        ),
        (
            "Если потеря стоит только на шаге $T$, четвёртая ошибка исчезает",
            True,
            "Верно: сумма по t состоит тогда из одного слагаемого.",
        ),
    ],
    several=True,
)

choice(
    "bptt-scale",
    [
        (
            "Увеличим шаг SGD в $10^6$ раз, и доля дальних слагаемых в нём вырастет",
            False,
            "Ближние слагаемые вырастут в те же 10⁶ раз: общий множитель долю не меняет.",
        ),
        (
            "Adam делит каждую координату на её масштаб, поэтому дальние слагаемые в ней сравняются с ближними",
            False,
            "Делится вся координата, то есть сумма: у ближнего и дальнего слагаемых в ней множитель один.",
        ),
        (
            "Глубокой сети, у слоёв которой матрицы свои, Adam может помочь",
            True,
            "Может: там мал весь градиент слоя, и деление на его масштаб возвращает шагу длину (но не направление).",
        ),
        (
            "Зная только норму `W.grad`, нельзя сказать, затухает ли градиент сквозь время",
            True,
            "Верно: почти вся норма приходится на слагаемые с малым расстоянием, а они не затухают.",
        ),
        (
            "Отсечение по норме усилит дальние слагаемые, потому что укоротит ближние",
            False,
            "Отсечение умножает весь градиент на одно число, вместе с дальней его частью.",
        ),
    ],
    several=True,
)

number(
    "bptt-other-convention",
    7 * 0.5**6,
    mistakes=[
        ((0.5**3) ** 2, "Это непосредственная производная последнего шага. Параметр w есть и на первых двух."),
        (0.265625, "Посчитано дважды: вместо непосредственных производных стоят полные."),
        (0.018554687, "Наклон взят не в той точке: в этой записи f применяется к прежнему состоянию."),
        (0.5**7, "Это само h₃, а спрашивают производную."),
    ],
    digits=3,
    right="Верно. И проверка без BPTT: h₃ = w⁷, производная 7w⁶.",
    otherwise="Пока не то. Выпишите h₁, h₂, h₃ через w и проверьте производную прямым дифференцированием.",
)

_T = 28
number(
    "bptt-double-counting",
    (_T + 2) / 3,
    digits=None,
    mistakes=[
        (
            (_T + 1) / 2,
            "Это ответ для потери только на последнем шаге. Здесь у каждого шага своя потеря и свой множитель.",
        ),
        (_T * (_T + 1) * (_T + 2) / 6, "Это сам ошибочный градиент. Его надо разделить на верный."),
        (_T * (_T + 1) / 2, "Это верный градиент. Спрашивают, во сколько раз больше ошибочный."),
        (_T, "Множитель t достался бы последнему слагаемому. Сложите градиенты всех потерь."),
    ],
    right="Верно: множители шагов усреднились с весами, и поздние шаги весят больше.",
    otherwise="Пока не то. Сначала сложите верные градиенты всех потерь, потом ошибочные.",
)


def bptt_grad(W: Tensor, V: Tensor, b: Tensor, xs: Tensor, h0: Tensor, gT: Tensor) -> tuple[Tensor, ...]:
    """The same gradients by autograd."""
    parameters = [p.detach().clone().requires_grad_() for p in (W, V, b)]
    h = h0
    for x in xs:
        h = torch.tanh(parameters[0] @ h + parameters[1] @ x + parameters[2])
    return torch.autograd.grad(h @ gT, parameters)


def _backward(mistake: str, W: Tensor, V: Tensor, b: Tensor, xs: Tensor, h0: Tensor, gT: Tensor) -> tuple[Tensor, ...]:
    """BPTT with one mistake in it."""
    states = [h0]
    for x in xs:
        states.append(torch.tanh(W @ states[-1] + V @ x + b))
    grads = [torch.zeros_like(p) for p in (W, V, b)]
    g = gT
    for k in range(len(xs), 0, -1):
        h = torch.tanh(states[k]) if mistake == "slope of the state" else states[k]
        flat = mistake == "no slopes" or (mistake == "no last slope" and k == len(xs))
        delta = g if flat else g * (1 - h**2)
        weight = len(xs) - k + 1 if mistake == "total derivatives" else 1
        left = g if mistake == "bare outer" else delta
        source = states[k] if mistake == "next state" else states[k - 1]
        for grad, term in zip(grads, (torch.outer(left, source), torch.outer(left, xs[k - 1]), left), strict=True):
            grad += weight * term
        if mistake == "last step":
            break
        g = (W if mistake == "no transpose" else W.T) @ delta
    if mistake.startswith("turned"):
        grads[0] = grads[0].T
    if mistake == "turned both":
        grads[1] = grads[1].T
    return tuple(grads)


_TURNED = "Градиент транспонирован: строки внешнего произведения δₖhₖ₋₁ᵀ нумерует δ, столбцы — состояние."
_MISTAKES = {
    "no transpose": "Назад градиент идёт через транспонированную матрицу: Wᵀδ, а не Wδ.",
    "next state": "Внешнее произведение взято с hₖ, а W на шаге k умножали на предыдущее состояние, hₖ₋₁.",
    "no slopes": "Потеряны наклоны: прежде чем умножать, g надо поэлементно умножить на 1 − hₖ².",
    "no last slope": "На последнем шаге забыт наклон: gT — производная по h_T, а δ_T = gT ⊙ (1 − h_T²).",
    "last step": "Учтён только последний шаг: W использована на каждом, и слагаемых столько же, сколько шагов.",
    "total derivatives": "Слагаемое с расстоянием ℓ вошло ℓ + 1 раз: вместо непосредственной производной взята полная.",
    "bare outer": "Назад вектор идёт верно, но во внешних произведениях стоит g вместо δ: потерян наклон своего шага.",
    "slope of the state": "Тангенс взят дважды: hₖ уже tanh(aₖ), и наклон равен 1 − hₖ², а не 1 − tanh²(hₖ).",
    "turned": _TURNED,
    "turned both": _TURNED,
}


def cases(generator: torch.Generator) -> list[tuple[Tensor, ...]]:
    """Networks of 1…6 units over 1…20 steps, on the bend of tanh."""
    sizes = [(1, 1, 2), (2, 1, 1), (2, 3, 3), (3, 2, 2), (4, 1, 5), (5, 3, 8), (3, 3, 12), (6, 2, 20)]

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return [(normal(D, D) / D**0.5, normal(D, d), normal(D), normal(T, d), normal(D), normal(D)) for D, d, T in sizes]


function(
    "bptt-grad",
    reference=bptt_grad,
    cases=cases,
    mistakes=[(partial(_backward, mistake), message) for mistake, message in _MISTAKES.items()],
    rtol=1e-10,
    by_hand=True,
    atol=1e-12,
)
