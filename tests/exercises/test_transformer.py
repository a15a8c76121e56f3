"""Answers to the exercises on transformers, by other roads than the page's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gradflow.exercises import check
from tables import answers


def test_norm_is_the_largest_variance_of_a_unit_vector() -> None:
    p = np.array([0.5, 0.25, 0.25])
    v = np.random.default_rng(0).standard_normal((100_000, 3))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    variance = (v**2 @ p - (v @ p) ** 2).max()
    assert abs(variance - 0.375) < 1e-3 and check("softmax-jacobian-norm", 0.375).passed


def test_factor_makes_the_branches_add_one() -> None:
    branches = torch.randn(96, 200_000, generator=torch.Generator().manual_seed(0))
    assert abs((0.10206 * branches).sum(0).var() - 1) < 0.02 and check("gpt2-factor", 0.102).passed


def test_masked_matrix_has_a_fixed_point() -> None:
    W, D = np.array([[1, -1], [1, -1]]), np.diag([1, 0])
    assert (W @ W == 0).all() and (D @ W @ [1, 0] == [1, 0]).all()
    assert check("masked-radius", 1).passed


def by_loops(z: Tensor, v: Tensor, grad: Tensor) -> list[float]:
    p = [float(x) for x in z.exp() / z.exp().sum()]
    y = [float(row @ grad) for row in v]
    mean = sum(a * b for a, b in zip(p, y, strict=True))
    return [a * (b - mean) for a, b in zip(p, y, strict=True)]


def from_shifted_values(z: Tensor, v: Tensor, grad: Tensor) -> Tensor:
    p = z.softmax(0)
    return p * ((v - p @ v) @ grad)


def whole_matrix(z: Tensor, v: Tensor, grad: Tensor) -> Tensor:
    p = z.softmax(0)
    return (torch.diag(p) - torch.outer(p, p)) @ (v @ grad)


def without_softmax(z: Tensor, v: Tensor, grad: Tensor) -> Tensor:
    y = v @ grad
    return z * (y - z @ y)


test_attention_logit_gradient = answers(
    "attention-logit-gradient",
    right=[from_shifted_values],
    wrong=[(whole_matrix, ""), (without_softmax, "")],
)
