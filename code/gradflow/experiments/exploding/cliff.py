"""The cliff of Pascanu, Mikolov, Bengio 2013: one recurrent unit, two parameters.

The unit x_t = w sigm(x_{t-1}) + b runs for ``STEPS`` steps from ``START``; the loss is
(sigm(x_T) - TARGET)^2. Points of the plane are tensors of shape (2, ...): w first, b second.

Source: Pascanu, Mikolov, Bengio, ICML 2013, section 2.3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradflow._validation import require_count, require_tensor

STEPS = 50
START = 0.5
TARGET = 0.7


def loss_and_gradient(point: Tensor, steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """Loss and its gradient at every point of the plane.

    Args:
        point: (2, ...), w and b.
        steps: length of the recurrence.

    Returns:
        The loss (...) and the gradient (2, ...).

    Raises:
        ValueError: ``point`` does not hold two rows of finite numbers.
    """
    w, b = _rows("point", point)
    require_count("steps", steps)
    x = torch.full_like(w, START)
    # Forward sensitivities: two numbers per point instead of a graph of ``steps`` nodes.
    dx_dw, dx_db, one = torch.zeros_like(w), torch.zeros_like(w), torch.ones_like(w)
    for _ in range(steps):
        s = torch.sigmoid(x)
        slope = torch.ops.aten.sigmoid_backward(w, s)  # w s (1 - s)
        dx_dw, dx_db = torch.addcmul(s, slope, dx_dw), torch.addcmul(one, slope, dx_db)
        x = torch.addcmul(b, w, s)
    y = torch.sigmoid(x)
    outer = 2 * (y - TARGET) * y * (1 - y)
    return (y - TARGET) ** 2, torch.stack([outer * dx_dw, outer * dx_db])


def descend(start: Tensor, learning_rate: float | Tensor, updates: int, max_norm: float | Tensor = math.inf) -> Tensor:
    """Gradient descent from every start at once, with or without clipping by norm.

    Args:
        start: (2, N).
        learning_rate: positive, of all points or of each (N,).
        updates: number of updates.
        max_norm: threshold on the norm of the gradient, of all points or of each (N,); ``inf`` leaves it alone.

    Returns:
        All visited points (updates + 1, 2, N).

    Raises:
        ValueError: a number that is not positive, or starts of another shape.
    """
    require_tensor("start", start, ndim=2)
    require_count("updates", updates)
    rate, limit = _positive("learning_rate", learning_rate, start), _positive("max_norm", max_norm, start)
    path = [start]
    for _ in range(updates):
        _, gradient = loss_and_gradient(path[-1])
        norm = gradient.norm(dim=0)
        path.append(path[-1] - rate * gradient * (limit / norm).clamp(max=1))
    return torch.stack(path)


def ridge(w: Tensor) -> Tensor:
    """The b at which ``START`` is a fixed point: the top of the cliff, for every w."""
    start = torch.tensor(START, dtype=w.dtype, device=w.device)
    return start - w * torch.sigmoid(start)


def ridge_gradient_norm(w: Tensor, steps: int = STEPS) -> Tensor:
    """Norm of the gradient at (w, ridge(w)) in closed form: it grows like (w sigm'(START))^steps."""
    require_count("steps", steps)
    y = torch.sigmoid(torch.tensor(START, dtype=w.dtype, device=w.device))
    slope = w * y * (1 - y)
    geometric_sum = (slope**steps - 1) / (slope - 1)
    return 2 * (y - TARGET).abs() * y * (1 - y) * (1 + y**2).sqrt() * geometric_sum


def _positive(name: str, value: float | Tensor, like: Tensor) -> Tensor:
    numbers = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    if not bool((numbers > 0).all()):
        raise ValueError(f"{name}: expected positive numbers, got {value!r}")
    return numbers


def _rows(name: str, point: Tensor) -> Tensor:
    require_tensor(name, point)
    if point.ndim < 1 or point.shape[0] != 2:
        raise ValueError(f"{name}: expected shape (2, ...), got {tuple(point.shape)}")
    return point
