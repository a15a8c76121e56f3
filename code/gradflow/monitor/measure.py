"""What is read off one tensor: its norm, values that are no numbers, shares of values near the format's ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

NAN = math.nan


@dataclass(slots=True)
class Measure:
    """What was read off one tensor (or off several, taken as one long vector).

    Attributes:
        norm: the Euclidean norm; inf or nan if a value is.
        size: how many values.
        inf, nan: how many of them are infinite, and not a number.
        largest: the largest finite absolute value (nan if not asked for).
        zeros, subnormal, near_limit: shares of exact zeros, of nonzero values below the smallest normal number of the
            format, and of values above 1/16 of its largest (nan if not asked for).
        dtype: the format's name.
    """

    norm: float
    size: int
    inf: int = 0
    nan: int = 0
    largest: float = NAN
    zeros: float = NAN
    subnormal: float = NAN
    near_limit: float = NAN
    dtype: str = ""

    @property
    def finite(self) -> bool:
        """Whether every value is a number."""
        return not (self.inf or self.nan)


def norm(tensor: Tensor) -> float:
    """The Euclidean norm in float64 where float32 would overflow or underflow; inf or nan if a value is.

    One reduction in the usual case.
    """
    tensor = _dense(tensor)
    if not tensor.numel():
        return 0.0
    wide = torch.float64 if tensor.dtype in (torch.float64, torch.complex128) else None
    if tensor.dtype in (torch.float16, torch.bfloat16):
        wide = torch.float32
    fast = float(torch.linalg.vector_norm(tensor, dtype=wide if not tensor.is_complex() else None))
    if 1e-15 < fast < math.inf:
        return fast
    values = torch.view_as_real(tensor).double() if tensor.is_complex() else tensor.double()
    largest = float(values.abs().max())
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * float(torch.linalg.vector_norm(values / largest))


def measure(tensor: Tensor, shares: bool = False) -> Measure:
    """Read ``tensor`` once for its norm, twice if a value is not finite, a few times more for all ``shares``."""
    tensor = _dense(tensor.detach())
    result = Measure(norm(tensor), tensor.numel(), dtype=str(tensor.dtype).removeprefix("torch."))
    if not math.isfinite(result.norm):
        result.nan = int(tensor.isnan().sum())
        result.inf = int(tensor.isinf().sum())
    if shares and tensor.numel() and not tensor.is_complex():
        _add_shares(result, tensor)
    return result


def _add_shares(result: Measure, tensor: Tensor) -> None:
    limits = torch.finfo(tensor.dtype)
    low, high = (float(extreme) for extreme in torch.aminmax(tensor))
    result.largest = max(abs(low), abs(high))
    if not result.finite:
        tensor = tensor[tensor.isfinite()]
        result.largest = float(tensor.abs().max()) if tensor.numel() else NAN
    values = tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
    nonzero = nonzeros(values)
    # 1 for every normal number; below one, and squared less than that, for a subnormal one
    normal = round(_square((values * (1 / limits.tiny)).clamp_(-1, 1)))
    missing = result.size - len(values.reshape(-1))
    result.zeros = 1 - (nonzero + missing) / result.size
    result.subnormal = max(0, nonzero - normal) / result.size
    result.near_limit = 0.0
    if result.largest > limits.max / 16:
        result.near_limit = float((tensor.abs() > limits.max / 16).sum()) / result.size


def nonzeros(tensor: Tensor) -> int:
    """How many values are not zero; of finite float values several times faster than ``torch.count_nonzero``."""
    count = _square(tensor.sign()) if tensor.dtype in (torch.float32, torch.float64) else NAN
    return round(count) if count == count else int(torch.count_nonzero(tensor))


def _square(tensor: Tensor) -> float:
    flat = tensor.reshape(-1)
    return float(torch.dot(flat, flat))


def together(parts: list[Measure]) -> Measure:
    """The measures of several tensors as those of one long vector."""
    if len(parts) == 1:
        return parts[0]
    size = sum(part.size for part in parts)

    def mean(name: str) -> float:
        return sum(getattr(part, name) * part.size for part in parts) / size if size else NAN

    return Measure(
        norm=math.hypot(*(part.norm for part in parts)) if all(part.finite for part in parts) else NAN,
        size=size,
        inf=sum(part.inf for part in parts),
        nan=sum(part.nan for part in parts),
        largest=max(part.largest for part in parts),
        zeros=mean("zeros"),
        subnormal=mean("subnormal"),
        near_limit=mean("near_limit"),
        dtype=parts[0].dtype,
    )


def _dense(tensor: Tensor) -> Tensor:
    return tensor.coalesce().values() if tensor.is_sparse else tensor


def spread(tensor: Tensor, total: float) -> float:
    """How far the rows of a batch lie from their mean, relative to their norm ``total``; 0 for a constant answer.

    All dimensions but the last count as the batch; for images, ``(B, C, H, W)``, the first alone. Pythagoras gives it
    from the mean, so that values below 1e-3 are not exact.
    """
    rows = tensor.detach()
    rows = rows.flatten(1) if rows.ndim > 3 else rows.reshape(-1, rows.shape[-1] if rows.ndim > 1 else 1)
    if len(rows) < 2 or not 0 < total < math.inf or rows.is_complex():
        return NAN
    mean = rows.mean(0, dtype=torch.float64 if rows.dtype == torch.float64 else torch.float32)
    return math.sqrt(max(0.0, 1 - len(rows) * norm(mean) ** 2 / total**2))


def dead_units(output: Tensor) -> float:
    """The share of units of a ReLU output that are zero for the whole batch: features last, channels second."""
    if output.ndim < 2:
        return NAN
    unit = 1 if output.ndim > 3 else output.ndim - 1
    others = [dim for dim in range(output.ndim) if dim != unit]
    return float((output.detach().amax(others) <= 0).float().mean())
