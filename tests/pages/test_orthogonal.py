"""The claims of the page on orthogonal matrices, at a smaller size."""

import pytest
import torch

from gradflow.experiments.orthogonal.isometry import jacobian_products
from gradflow.experiments.orthogonal.training import train_network
from gradflow.initialization import orthogonal_


@pytest.fixture(scope="module")
def linear():
    return train_network("copying", "linear", nets=5, steps=350)


def test_linear_orthogonal_networks_copy_and_identity_ones_do_not(linear):
    identity = train_network("copying", "linear", "identity", nets=5, steps=350)
    assert linear.solved == 5 and identity.solved == 0


@pytest.mark.parametrize("activation", ["abs", "tanh"])
def test_keeping_the_gradient_is_not_sufficient(activation):
    """abs keeps it exactly and fails beside tanh in a budget in which every linear network succeeds."""
    assert train_network("copying", activation, nets=5, steps=350).solved == 0


def test_orthogonality_holds_only_at_the_start(linear):
    start = train_network("copying", "linear", nets=5, steps=50).singular_values()
    sigma = linear.singular_values()
    assert (sigma[:, 0] > 1.1).all() and (sigma[:, -1] < 0.9).all()
    assert (sigma[:, 0] - sigma[:, -1] > start[:, 0] - start[:, -1]).all()


def test_a_constrained_matrix_stays_orthogonal_and_learns_to_copy_no_faster(linear):
    forced = train_network("copying", "linear", constrained=True, nets=5, steps=450)
    sigma = forced.singular_values()
    torch.testing.assert_close(sigma, torch.ones_like(sigma), rtol=0, atol=1e-4)
    assert forced.solved == 5
    assert forced.solved_at.double().mean() > linear.solved_at.double().mean()


def test_identity_adds_and_a_constrained_orthogonal_matrix_does_not():
    identity = train_network("adding", "relu", "identity", nets=5, steps=450)
    forced = train_network("adding", "relu", constrained=True, nets=5, steps=450)
    assert identity.solved >= 4 and forced.solved == 0


def test_solved_at_is_the_first_window_below_the_goal(linear):
    loss = linear.loss[:, 0]  # over the loss of guessing; the goal is a quarter
    at = int(linear.solved_at[0])
    assert loss[at - 50 : at].mean() < 0.25 <= loss[at - 51 : at - 1].mean()


def test_linear_identity_network_forgets_the_order_of_its_inputs():
    generator = torch.Generator().manual_seed(0)
    V = torch.randn(16, 3, generator=generator, dtype=torch.float64)
    Q = orthogonal_(torch.empty(16, 16, dtype=torch.float64), generator=generator)
    x = torch.randn(6, 3, generator=generator, dtype=torch.float64)

    def last(W, inputs):
        h = torch.zeros(16, dtype=torch.float64)
        for u in inputs:
            h = W @ h + V @ u
        return h

    eye = torch.eye(16, dtype=torch.float64)
    torch.testing.assert_close(last(eye, x), last(eye, x.flip(0)))
    assert (last(Q, x) - last(Q, x.flip(0))).norm() > 0.1
    for W, rank in ((eye, 3), (Q, 16)):
        blocks = torch.cat([torch.linalg.matrix_power(W, k) @ V for k in range(6)], dim=1)
        assert torch.linalg.matrix_rank(blocks) == rank


def test_five_percent_off_orthogonality_grows_like_its_power():
    generator = torch.Generator().manual_seed(0)
    Q = orthogonal_(torch.empty(5, 8, 8, dtype=torch.float64), generator=generator)
    drive = 0.3 * torch.randn(100, 5, 8, generator=generator, dtype=torch.float64)
    for gain in (0.95, 1.05):
        sigma = torch.linalg.svdvals(jacobian_products(gain * Q, drive, torch.abs)[-1])
        torch.testing.assert_close(sigma, torch.full_like(sigma, gain**100))


def test_own_masks_of_relu_drive_networks_apart_and_independent_masks_do_not():
    g = torch.Generator().manual_seed(0)
    A = 2**0.5 * orthogonal_(torch.empty(40, 24, 24, dtype=torch.float64), generator=g)
    h = torch.zeros(40, 24, 1, dtype=torch.float64)
    own = independent = torch.eye(24, dtype=torch.float64)
    for _ in range(120):
        a = A @ h + 0.3 * torch.randn(h.shape, generator=g, dtype=h.dtype)
        coin = torch.randint(0, 2, h.shape, generator=g)
        h, own, independent = a.relu(), (a > 0) * (A @ own), coin * (A @ independent)
    own, independent = (torch.linalg.matrix_norm(P, 2).log10() for P in (own, independent))
    assert (own > 2).sum() >= 6 and (own < -2).sum() >= 6
    assert independent.std() < own.std() / 3


def test_saxe_bound_holds_for_the_scalar_chain_at_every_depth():
    def time(depth, start, target, rate=0.01):
        a, steps = start, 0
        gap = 0.1 * abs(target - start**depth)
        while abs(target - a**depth) > gap:
            a += rate / depth * a ** (depth - 1) * (target - a**depth)
            steps += 1
        return steps * rate

    log = torch.tensor(10.0).log().item()
    for target in (0.5, 2.0):
        for depth in (2, 8, 32):
            assert time(depth, 1.0, target) <= max(1, target**-2) * log + 0.05
    m = 0.9 * (2 - 0.9**32) + 0.9**32  # the same goal from q = 0.9
    bound = (0.9**-30 - m ** -(1 - 2 / 32)) / (2 * (1 - 2 / 32))
    assert bound <= time(32, 0.9, 2.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: train_network("parity", "tanh"),
        lambda: train_network("adding", "tanh", "gaussian"),
        lambda: train_network("adding", "tanh", steps=10),
        lambda: train_network("adding", "softplus"),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ValueError, match="expected"):
        call()
