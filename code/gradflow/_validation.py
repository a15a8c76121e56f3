"""Checks of arguments that every module shares: name the argument, what came, what was expected."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

_MOST = 10**9  # of anything that is counted, and of the numbers in a tensor to be made
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def require_count(name: str, value: object, minimum: int = 1) -> int:
    """Return ``value`` if it is an integer of at least ``minimum``, and small enough to count with."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{name}: expected an integer >= {minimum}, got {_shown(value)}")
    if value > _MOST:
        raise ValueError(f"{name}: expected an integer <= {_MOST}, got {_shown(value)}")
    return value


def require_sizes(**sizes: object) -> None:
    """Check that all are positive integers and that a tensor of this shape can be made."""
    if math.prod(require_count(name, value) for name, value in sizes.items()) > _MOST:
        raise ValueError(f"{', '.join(sizes)}: expected at most {_MOST} numbers in all, got {tuple(sizes.values())}")


def require_number(name: str, value: object, dtype: torch.dtype | None = None) -> float:
    """Return ``value`` as a float if it is a finite real number, and far from the ends of the range of ``dtype``."""
    try:
        finite = not isinstance(value, bool) and isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise ValueError(f"{name}: expected a finite number, got {_shown(value)}")
    number = float(value)  # type: ignore[arg-type]
    if dtype is not None and abs(number) > math.sqrt(torch.finfo(dtype).max):
        raise ValueError(f"{name}: expected a number that {dtype} can hold squared, got {number!r}")
    return number


def require_positive(name: str, value: object, dtype: torch.dtype | None = None) -> float:
    """Return ``value`` as a float if it is a finite positive number."""
    number = require_number(name, value, dtype)
    if number <= 0:
        raise ValueError(f"{name}: expected a positive number, got {value!r}")
    return number


def require_choice(name: str, value: object, choices: Iterable[str | None]) -> None:
    """Check that ``value`` is one of a few words."""
    known = list(choices)
    if not (value is None or isinstance(value, str)) or value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, known))}, got {_shown(value)}")


def require_generator(generator: object) -> Generator:
    """Return ``generator`` if it is one: the global state of torch is never drawn from."""
    if not isinstance(generator, Generator):
        raise ValueError(f"generator: expected a torch.Generator, got {type(generator).__name__}")
    return generator


def require_module(name: str, value: object) -> nn.Module:
    """Return ``value`` if it is a module whose parameters hold numbers."""
    if not isinstance(value, nn.Module):
        raise ValueError(f"{name}: expected a torch.nn.Module, got {type(value).__name__}")
    if any(parameter.is_meta for parameter in value.parameters()):
        raise ValueError(f"{name}: expected parameters with values, got some on the meta device")
    return value


def require_callable(name: str, value: object) -> Callable[..., Any]:
    """Return ``value`` if it can be called."""
    if not callable(value):
        raise ValueError(f"{name}: expected a function, got {type(value).__name__}")
    return value


def ask(name: str, function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function that was handed in as the argument ``name``: what it raises bears this name."""
    try:
        return function(*arguments)
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith(f"{name}: "):
            raise
        raise ValueError(f"{name}: raised {type(error).__name__}: {error}") from error


def require_sequence(name: str, value: object, kind: type) -> Sequence[Any]:
    """Return ``value`` if it is a list or a tuple of at least one ``kind``."""
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(item, kind) for item in value):
        raise ValueError(f"{name}: expected a list of at least one {kind.__name__}, got {_shown(value)}")
    return value


def require_floats(name: str, value: object) -> Tensor:
    """Return ``value`` if it is a dense tensor of floating-point numbers, finite or not."""
    if not isinstance(value, Tensor):
        raise ValueError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
    if value.dtype not in _FLOATS:
        raise ValueError(f"{name}: expected a floating-point tensor, got dtype {value.dtype}")
    if value.is_meta or value.layout != torch.strided:
        raise ValueError(f"{name}: expected a dense tensor with values, got {value.layout} on {value.device}")
    return value


def require_tensor(name: str, value: object, ndim: int | tuple[int, ...] | None = None) -> Tensor:
    """Return ``value`` if it is a finite float tensor with the wanted number of dimensions."""
    tensor = require_floats(name, value)
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if allowed is not None and tensor.ndim not in allowed:
        wanted = " or ".join(str(n) for n in allowed)
        raise ValueError(f"{name}: expected {wanted} dimensions, got shape {tuple(tensor.shape)}")
    require_finite(name, tensor)
    return tensor


def require_finite(name: str, *tensors: Tensor) -> None:
    """Check that no element is inf or nan; ``name`` may name several arguments whose result ``tensors`` are."""
    for tensor in tensors:
        if tensor.numel() and not all(math.isfinite(extreme) for extreme in torch.aminmax(tensor.detach())):
            bad = int((~torch.isfinite(tensor)).sum())
            raise ValueError(f"{name}: expected finite values, got {bad} of {tensor.numel()} inf or nan")


def require_square(name: str, value: object) -> Tensor:
    """Return ``value`` if it is a finite square float matrix (or a batch of them)."""
    matrix = require_tensor(name, value)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(f"{name}: expected a square matrix (D, D), got shape {tuple(matrix.shape)}")
    return matrix


def require_like(name: str, value: Tensor, other: Tensor, other_name: str) -> None:
    """Check that two tensors agree in type and device."""
    if value.dtype != other.dtype or value.device != other.device:
        raise ValueError(
            f"{name}: expected {other.dtype} on {other.device} as in {other_name}, got {value.dtype} on {value.device}"
        )


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        text = type(value).__name__
    return text if len(text) < 80 else type(value).__name__
