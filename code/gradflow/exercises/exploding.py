"""Checks of the exercises on clipping."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor

from gradflow.exercises._authoring import choice, function, number

number(
    "clip-sign-flip",
    4,
    mistakes=[
        (1, "Проверьте c = 2: среднее 0,2·2 − 0,8·1 всё ещё отрицательно."),
        (10, "При c = 10 отсекать уже нечего и смещения нет вовсе, но знак исправляется гораздо раньше."),
        (1.2, "Это среднее самого градиента. Порог ищем из условия на среднее отсечённого."),
        (0.25, "Перепутаны вероятности: на порог умножается вероятность большого значения."),
        (5, "При c = 5 среднее равно 0,2·5 − 0,8 = 0,2: знак уже верный. Граница ниже."),
    ],
    digits=None,
    bound=True,
    right="Верно. До порога 4 спуск в среднем идёт в обратную сторону.",
    otherwise="Пока не то. Какие из двух значений отсекаются при c < 1, при 1 ≤ c ≤ 10 и при c > 10? "
    "Выпишите среднее в каждом случае.",
)

choice(
    "nan-log",
    [
        (
            "В данных на шаге 23 попался nan",
            False,
            "Тогда строки 21 и 22 были бы спокойными: nan из данных не предупреждает о себе нормой 1246.",
        ),
        (
            "Градиент взорвался, одно обновление унесло параметры, и двумя шагами позже переполнился уже прямой проход",
            True,
            "Найдите строку, в которой норма выросла в сотни раз, и посмотрите, что стало с потерей сразу после.",
        ),
        (
            "Градиент затух: на шаге 13 норма всего 0,26",
            False,
            "Затухший градиент останавливает обучение, а nan не создаёт. Да и 0,26 здесь обычная норма.",
        ),
        (
            "clip_grad_norm_ обнулил градиент",
            False,
            "После обнуления потеря не изменилась бы, а она выросла в миллиарды раз. К тому же отсечения в цикле нет.",
        ),
        (
            "Шаг обучения 0,018 всегда слишком велик для этой сети",
            False,
            "Двадцать шагов он был хорош: сдвиги весов не больше 0,03. "
            "Слишком велик он стал лишь вместе с нормой 1246.",
        ),
    ],
    right="Верно. Потеря и норма шага 22 — уже последствия.",
)

number(
    "nan-log-step",
    21,
    mistakes=[
        (23, "На шаге 23 nan уже заметили, а испорчены параметры раньше: посмотрите на потерю двумя строками выше."),
        (22, "Потеря шага 22 посчитана уже по испорченным параметрам. Кто их испортил?"),
        (20, "После шага 20 потеря равна 6: много, но параметры ещё рядом, сдвиг был около 0,03."),
        (14, "До шага 20 всё в порядке: нормы и потери обычные."),
    ],
    digits=None,
    right="Верно: сдвиг 0,018·1246 ≈ 22. Возвращаться надо к весам, сохранённым до этого шага.",
    otherwise="Пока не то. Длина сдвига на каждом шаге — это lr, умноженное на норму.",
)

choice(
    "silent-zero",
    [
        (
            "Градиент затух до нуля",
            False,
            "Тогда норма была бы крошечной, а в журнале она бесконечна.",
        ),
        (
            "Норма градиента переполнилась, множитель c/∞ равен нулю, и clip_grad_norm_ обнулил весь градиент",
            True,
            "Сопоставьте inf в столбце нормы и потерю, которая повторяется до последней цифры.",
        ),
        (
            "Сеть попала в локальный минимум",
            False,
            "В минимуме норма мала, а здесь она бесконечна. К тому же шум батчей сдвигал бы веса и там, и потеря на "
            "проверке менялась бы хоть в последних цифрах.",
        ),
        (
            "Один из элементов градиента стал бесконечным, и веса испортились",
            False,
            "Бесконечный элемент дал бы 0·∞ = nan в весах, и потеря стала бы nan уже на следующем шаге.",
        ),
    ],
    right="Верно. Включите error_if_nonfinite=True, и в следующий раз сеть скажет об этом сама.",
)

number(
    "silent-zero-threshold",
    math.sqrt(torch.finfo(torch.float32).max),
    mistakes=[
        (torch.finfo(torch.float32).max, "Это наибольшее число float32, а в норме стоят квадраты."),
        (math.sqrt(torch.finfo(torch.float16).max), "Это граница для float16, а градиент лежит в float32."),
        (math.sqrt(torch.finfo(torch.float64).max), "Это граница для float64, а градиент лежит в float32."),
        (torch.finfo(torch.float32).max / 2, "Переполняет не удвоение, а возведение в квадрат: нужен корень."),
    ],
    digits=2,
    right="Верно: половина порядков формата. Элементы ещё конечны, а норма уже нет.",
    otherwise="Пока не то. Наибольшее число float32 — около 3,4·10³⁸, и сравнивать с ним надо квадрат.",
)


def clip_by_global_norm(grads: list[Tensor], max_norm: float) -> tuple[list[Tensor], float]:
    """The norm through the largest element, so that no square overflows."""
    if not max_norm > 0 or any(not bool(g.isfinite().all()) for g in grads):
        raise ValueError("grads must be finite and max_norm positive")
    largest = max(float(g.abs().max()) for g in grads)
    if largest == 0:
        return [g.clone() for g in grads], 0.0
    norm = largest * math.sqrt(sum(float((g / largest).square().sum()) for g in grads))
    return [g * min(1.0, max_norm / norm) for g in grads], norm


def joint_norm(grads: list[Tensor]) -> float:
    """The norm that does not overflow."""
    return clip_by_global_norm(grads, 1.0)[1]


def naive_norm(grads: list[Tensor]) -> float:
    """The norm whose squares overflow."""
    return math.sqrt(sum(float(g.square().sum()) for g in grads))


Norm = Callable[[list[Tensor]], float]


def clip_each_value(grads: list[Tensor], max_norm: float, norm: Norm = joint_norm) -> tuple[list[Tensor], float]:
    """The mistake of clipping by value."""
    return [g.clamp(-max_norm, max_norm) for g in grads], norm(grads)


def clip_each_tensor(grads: list[Tensor], max_norm: float, norm: Norm = joint_norm) -> tuple[list[Tensor], float]:
    """The mistake of a norm per tensor."""
    return [g * min(1.0, max_norm / max(norm([g]), 1e-300)) for g in grads], norm(grads)


def clip_without_root(grads: list[Tensor], max_norm: float) -> tuple[list[Tensor], float]:
    """The mistake of a sum of squares without the root."""
    square = sum(float(g.square().sum()) for g in grads)
    return [g * min(1.0, max_norm / max(square, 1e-300)) for g in grads], square


def clip_always(grads: list[Tensor], max_norm: float) -> tuple[list[Tensor], float]:
    """The mistake of stretching short gradients up to the threshold."""
    norm = clip_by_global_norm(grads, max_norm)[1]
    return [g * (max_norm / max(norm, 1e-300)) for g in grads], norm


def clip_with_overflow(grads: list[Tensor], max_norm: float) -> tuple[list[Tensor], float]:
    """The mistake of squaring before scaling: right until the squares overflow."""
    norm = naive_norm(grads)
    return [g * min(1.0, max_norm / max(norm, 1e-300)) for g in grads], norm


def _cases(generator: Generator) -> list[tuple[list[Tensor], float]]:
    def random(*shapes: tuple[int, ...]) -> list[Tensor]:
        return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]

    cases: list[tuple[list[Tensor], float]] = [
        ([torch.tensor([3.0, 4.0], dtype=torch.float64)], 1.0),
        ([torch.tensor([0.3, -0.4], dtype=torch.float64)], 1.0),
        ([torch.tensor([3.0, 0.0], dtype=torch.float64), torch.tensor([[4.0]], dtype=torch.float64)], 2.5),
    ]
    cases += [(random((5, 4), (5,), (2, 5)), c) for c in (0.1, 1.0, 3.0, 50.0)]
    cases += [([1e3 * g for g in random((7,), (3, 3))], 10.0)]
    cases += [([torch.zeros(3, dtype=torch.float64)], 1.0)]
    return [*cases, ([1e200 * g for g in random((4,), (2, 2))], 1.0)]


BY_VALUE = "Отсечены отдельные значения: направление повернулось. Нужен один множитель на весь градиент."
BY_TENSOR = "Норма посчитана у каждого тензора своя, а нужна общая: все градиенты — один длинный вектор."

function(
    "clip-global-norm",
    reference=clip_by_global_norm,
    cases=_cases,
    mistakes=[
        *((partial(clip_each_value, norm=norm), BY_VALUE) for norm in (joint_norm, naive_norm)),
        *((partial(clip_each_tensor, norm=norm), BY_TENSOR) for norm in (joint_norm, naive_norm)),
        (clip_without_root, "Забыт корень: сумма квадратов — ещё не норма."),
        (clip_always, "Короткий градиент растянут до порога. Множитель не должен быть больше единицы."),
        (
            clip_with_overflow,
            "На больших числах квадраты переполнились. Поделите градиент на наибольший модуль до возведения в квадрат.",
        ),
    ],
    rtol=1e-6,  # a norm taken in float32 will do
    refuses=[
        (([torch.tensor([1.0, math.inf])], 1.0), "На бесконечности в градиенте нужна ошибка ValueError, а её нет."),
        (([torch.tensor([1.0, math.nan])], 1.0), "На nan в градиенте нужна ошибка ValueError, а её нет."),
        (([torch.tensor([1.0, 2.0])], 0.0), "На пороге, который не положителен, нужна ошибка ValueError, а её нет."),
    ],
)
