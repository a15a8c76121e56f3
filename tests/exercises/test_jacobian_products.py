import numpy as np
import pytest
import torch

from gradflow.exercises._registry import find
from tables import answers


def in_numpy(W, slopes):
    return np.linalg.multi_dot([*[np.diag(s) @ W.numpy() for s in slopes.numpy()[::-1]], np.eye(len(W))])


def from_the_left(W, slopes):
    P = torch.eye(len(W), dtype=W.dtype)
    for s in slopes.flip(0):
        P = (P * s) @ W
    return P


test_jacobian_product = answers("jacobian-product", right=[in_numpy, from_the_left])


def test_leaky_nilpotent_state_stands_still_at_the_registered_slope():
    alpha = find("leaky-nilpotent").value
    N, h = 1.5 * torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64), torch.tensor([1.0, 0.0]).double()
    states = [h := torch.nn.functional.leaky_relu(N @ h, alpha) for _ in range(30)]
    torch.testing.assert_close(states[-1], states[0])


def test_elementwise_product_underestimates_by_the_registered_factor():
    W = torch.full((10, 10), 0.1, dtype=torch.float64)
    assert torch.linalg.matrix_power(W, 15).norm() / (W**15).norm() == pytest.approx(find("elementwise-lab").value)
