"""Answers to the exercises on orthogonal matrices."""

import torch

from gradflow.exercises import orthogonal
from gradflow.exercises._registry import find
from tables import answers


def by_gram_matrix(W):
    values, vectors = torch.linalg.eigh(W.T @ W)
    return W @ vectors @ torch.diag(values.rsqrt()) @ vectors.T


test_nearest_orthogonal = answers(
    "nearest-orthogonal",
    right=[by_gram_matrix],
)


def test_nearest_orthogonal_is_nearer_than_random_ones():
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    best = (W - orthogonal.nearest_orthogonal(W)).norm()
    for _ in range(200):
        Q = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64)).Q
        assert (W - Q).norm() > best


def test_ranks_of_the_linear_memory_are_the_registered_numbers():
    generator = torch.Generator().manual_seed(0)
    V = torch.randn(32, 6, generator=generator, dtype=torch.float64)
    Q = torch.linalg.qr(torch.randn(32, 32, generator=generator, dtype=torch.float64)).Q
    for W, name in ((torch.eye(32, dtype=torch.float64), "identity"), (Q, "orthogonal")):
        blocks = torch.cat([torch.linalg.matrix_power(W, k) @ V for k in range(40)], dim=1)
        assert torch.linalg.matrix_rank(blocks) == find(f"linear-memory-{name}").value
