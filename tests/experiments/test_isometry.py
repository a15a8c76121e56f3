"""Products of Jacobians with one orthogonal matrix and different activations."""

import pytest
import torch
from torch.autograd.functional import jacobian

from gradflow.experiments.orthogonal.isometry import jacobian_products
from gradflow.recurrent import maxmin

S, H, T = 3, 8, 200


def network(gain=1.0):
    generator = torch.Generator().manual_seed(0)
    W = torch.empty(S, H, H, dtype=torch.float64)
    for matrix in W:
        torch.nn.init.orthogonal_(matrix, gain=gain, generator=generator)
    return W, 0.3 * torch.randn(T, S, H, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("activation", [torch.tanh, torch.relu, torch.abs, maxmin])
def test_products_equal_the_jacobian_of_the_unrolled_network(activation):
    W, drive = network()

    def unrolled(h):
        for u in drive[:6, 1]:
            h = activation(W[1] @ h + u)
        return h

    expected = jacobian(unrolled, torch.zeros(H, dtype=torch.float64))
    torch.testing.assert_close(jacobian_products(W, drive[:6], activation)[-1, 1], expected)


@pytest.mark.parametrize("activation", [torch.abs, maxmin, lambda a: a * 1.0])
def test_orthogonal_matrix_and_unit_slopes_keep_every_singular_value_over_200_steps(activation):
    sigma = torch.linalg.svdvals(jacobian_products(*network(), activation)[-1])
    torch.testing.assert_close(sigma, torch.ones_like(sigma), rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", [torch.tanh, torch.relu])
def test_other_slopes_shrink_the_same_product(activation):
    sigma = torch.linalg.svdvals(jacobian_products(*network(), activation)[-1])
    assert (sigma < 1e-8).all()


def test_relu_kills_directions_exactly():
    ranks = torch.linalg.matrix_rank(jacobian_products(*network(), torch.relu)[[0, 9]], atol=1e-30)
    assert (ranks[0] < H).all() and (ranks[1] < ranks[0]).any()


def test_gain_root_two_keeps_the_mean_and_lets_the_largest_direction_explode():
    sigma = torch.linalg.svdvals(jacobian_products(*network(gain=2**0.5), torch.relu)[49])
    assert (sigma[:, 0] > 3).any() and (sigma[:, -1] < 1e-12).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: jacobian_products(torch.zeros(4, 4), torch.zeros(5, 1, 4), torch.tanh),
        lambda: jacobian_products(torch.zeros(2, 4, 4), torch.zeros(5, 1, 4), torch.tanh),
        lambda: jacobian_products(torch.zeros(1, 4, 3), torch.zeros(5, 1, 4), torch.tanh),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ValueError, match="expected"):
        call()
