"""Answers to the exercises on clipping."""

import math

import numpy as np
import torch

from gradflow.exercises._registry import find
from tables import answers


def with_hypot(grads, max_norm):
    flat = np.concatenate([g.numpy().ravel() for g in grads])
    if max_norm <= 0 or not np.isfinite(flat).all():
        raise ValueError("bad input")
    norm = math.hypot(*flat)
    factor = max_norm / norm if norm > max_norm else 1.0
    return [g.numpy() * factor for g in grads], norm


def norm_in_float32(grads, max_norm):
    clipped, norm = with_hypot(grads, max_norm)
    return clipped, float(np.float32(norm)) if norm < 1e38 else norm


def silent_on_nan(grads, max_norm):
    if max_norm <= 0 or any(g.isinf().any() for g in grads):
        raise ValueError
    largest = max(g.abs().max() for g in grads).clamp_min(1e-300)
    norm = largest * sum((g / largest).square().sum() for g in grads).sqrt()
    return [g * (max_norm / norm).clamp(max=1) for g in grads], norm


test_clip_global_norm = answers(
    "clip-global-norm",
    right=[with_hypot, norm_in_float32],
    wrong=[(silent_on_nan, "На nan")],
)


def test_sign_of_the_clipped_mean_turns_at_the_registered_threshold():
    def mean(c):
        return 0.2 * min(10, c) - 0.8 * min(1, c)

    threshold = find("clip-sign-flip").value
    assert mean(threshold - 1e-6) < 0 < mean(threshold + 1e-6)


def test_norm_overflows_just_above_the_registered_element_and_not_below():
    value = find("silent-zero-threshold").value
    below, above = torch.tensor([value * 0.99]), torch.tensor([value * 1.01])
    assert below.square().sum().isfinite() and above.square().sum().isinf() and above.isfinite().all()
