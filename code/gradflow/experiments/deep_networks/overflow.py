"""How deep a network must be for its activations, and for their norm, to leave the range of a float format."""

from __future__ import annotations

import torch
from torch import Generator

from gradflow._validation import require_count, require_positive


def overflow_depths(
    dtype: torch.dtype, width: int = 128, gain: float = 1.5, noise: float = 0.01, *, generator: Generator
) -> tuple[int, int]:
    """First layers at which the norm, and an element, of the activation is no longer finite.

    Layers multiply by ``gain * I + noise * N``, made one by one in float32 and rounded to ``dtype``.

    Returns:
        The number of the layer where ``h.norm()`` is infinite, then where an element of ``h`` is.

    Raises:
        ValueError: ``width`` is not a positive integer, or ``gain`` is not larger than 1 or not finite.
    """
    require_count("width", width)
    if require_positive("gain", gain) <= 1:
        raise ValueError(f"gain: expected a number > 1, got {gain!r}")
    h = torch.randn(width, generator=generator).to(dtype)
    layer, norm_layer = 0, None
    while True:
        layer += 1
        weight = gain * torch.eye(width) + noise * torch.randn(width, width, generator=generator)
        h = weight.to(dtype) @ h
        if norm_layer is None and not h.norm().isfinite():
            norm_layer = layer
        if not h.isfinite().all():
            return norm_layer or layer, layer
