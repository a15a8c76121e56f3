"""Where descent on clipped gradients of a batch comes to rest."""

from __future__ import annotations

import math

from gradflow._validation import require_count, require_positive

RARE, VALUE = 0.2, -10.0
"""Probability and value of the rare example; the others are 1."""


def balance(batch: int, threshold: float = 1.0) -> float:
    """The theta at which E clip(theta - mean of z over a batch) is zero.

    Independent z are ``VALUE`` with probability ``RARE`` and 1 otherwise, so a batch mean takes ``batch + 1`` values
    with binomial weights; the expectation grows with theta and is bisected.

    Raises:
        ValueError: ``batch`` below 1, or a threshold that is not positive.
    """
    require_count("batch", batch)
    require_positive("threshold", threshold)
    weights = [math.comb(batch, k) * RARE**k * (1 - RARE) ** (batch - k) for k in range(batch + 1)]
    means = [1 + (VALUE - 1) * k / batch for k in range(batch + 1)]

    def expected(theta: float) -> float:
        return sum(w * max(-threshold, min(threshold, theta - m)) for w, m in zip(weights, means, strict=True))

    low, high = VALUE, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) < 0 else (low, middle)
    return (low + high) / 2
