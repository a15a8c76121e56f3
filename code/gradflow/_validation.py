"""Checks of arguments that every module shares: name the argument, what came, what was expected."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def require_count(name: str, value: object, minimum: int = 1) -> int:
    """Return ``value`` if it is an integer of at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{name}: expected an integer >= {minimum}, got {value!r}")
    return value


def require_number(name: str, value: object) -> float:
    """Return ``value`` as a float if it is a finite real number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return float(value)


def require_positive(name: str, value: object) -> float:
    """Return ``value`` as a float if it is a finite positive number."""
    number = require_number(name, value)
    if number <= 0:
        raise ValueError(f"{name}: expected a positive number, got {value!r}")
    return number


def require_tensor(name: str, value: object, ndim: int | tuple[int, ...] | None = None) -> Tensor:
    """Return ``value`` if it is a finite float tensor with the wanted number of dimensions."""
    if not isinstance(value, Tensor):
        raise ValueError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
    if not value.is_floating_point():
        raise ValueError(f"{name}: expected a floating-point tensor, got dtype {value.dtype}")
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if allowed is not None and value.ndim not in allowed:
        wanted = " or ".join(str(n) for n in allowed)
        raise ValueError(f"{name}: expected {wanted} dimensions, got shape {tuple(value.shape)}")
    if value.numel() and not all(math.isfinite(extreme) for extreme in torch.aminmax(value.detach())):
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name}: expected finite values, got {bad} inf or nan")
    return value


def require_square(name: str, value: object) -> Tensor:
    """Return ``value`` if it is a finite square float matrix (or a batch of them)."""
    matrix = require_tensor(name, value)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(f"{name}: expected a square matrix (D, D), got shape {tuple(matrix.shape)}")
    return matrix
