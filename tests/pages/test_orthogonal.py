"""The claims of the page on orthogonal matrices, at a smaller size."""

import pytest
import torch

from gradflow.experiments.orthogonal.isometry import jacobian_products
from gradflow.experiments.orthogonal.saxe import initial_weights, steps_to_learn
from gradflow.experiments.orthogonal.training import train_network, train_networks
from gradflow.initialization import orthogonal_
from gradflow.recurrent import ParallelRNN
from gradflow.tasks import copy_memory


@pytest.fixture(scope="module")
def linear():
    return train_network("copying", "linear", nets=5, steps=500)


def test_networks_from_several_starts_are_those_from_each_alone():
    together = train_networks("copying", "linear", ["orthogonal", 0.9, "identity"], nets=2, steps=50)
    for start in ("orthogonal", 0.9):
        alone = train_network("copying", "linear", start, nets=2, steps=50)
        torch.testing.assert_close(together[start].loss, alone.loss, rtol=1e-2, atol=1e-3)
        torch.testing.assert_close(together[start].W, alone.W, rtol=0, atol=1e-2)
    assert together["identity"].loss[0].isfinite().all()


def test_linear_orthogonal_networks_copy_and_identity_ones_do_not(linear):
    identity = train_network("copying", "linear", "identity", nets=5, steps=500)
    assert linear.solved == 5 and identity.solved == 0


@pytest.mark.parametrize("activation", ["abs", "tanh"])
def test_keeping_the_gradient_is_not_sufficient(activation):
    """abs keeps it exactly and fails beside tanh in a budget in which every linear network succeeds."""
    assert train_network("copying", activation, nets=5, steps=500).solved == 0


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


def test_identity_adds_where_an_orthogonal_matrix_mostly_fails():
    identity, orthogonal = (
        train_network("adding", "relu", start, nets=8, steps=450) for start in ("identity", "orthogonal")
    )
    assert identity.solved >= orthogonal.solved + 4


def test_a_damped_gradient_does_not_keep_a_linear_network_from_copying():
    assert train_network("copying", "linear", 0.93, nets=4, steps=700).solved >= 3
    assert train_network("copying", "linear", 0.71, nets=4, steps=400).solved == 0


def test_tanh_keeps_more_than_that_on_the_task():
    generator = torch.Generator().manual_seed(0)
    cell = ParallelRNN(6, 6, 32, generator=generator)
    orthogonal_(cell.W, generator=generator)
    x, _ = copy_memory(30, 6, 8, symbols=4, letters=4, generator=generator)
    drive = torch.einsum("tnbi,nhi->tnbh", x, cell.V.detach()).flatten(1, 2)
    P = jacobian_products(cell.W.detach().repeat_interleave(8, 0), drive[:34], torch.tanh)[-1]
    assert P.square().sum((-1, -2)).div(32).sqrt().median() > 0.05


def test_abs_copies_once_its_fold_is_out_of_the_way():
    assert train_network("copying", "far_abs", nets=5, steps=700).solved >= 3


def test_tanh_does_not_copy_with_a_matrix_that_stays_orthogonal_either():
    assert train_network("copying", "tanh", constrained=True, nets=4, steps=350).solved == 0


def test_every_condition_of_rigidity_is_needed():
    """Isometric almost everywhere and not affine: each example lacks one condition."""
    a = torch.linspace(-2, 2, 4001, dtype=torch.float64)

    def slopes(f):
        values = f(a)
        return (values.diff() / a.diff()).abs(), values

    slope, folded = slopes(torch.abs)  # not injective
    assert (slope - 1).abs().max() < 1e-9 and folded[0] == folded[-1]
    slope, torn = slopes(lambda a: a.sign() * (a.abs() + 1))  # not Lipschitz
    assert slope.quantile(0.99) < 1 + 1e-9 and slope.max() > 100 and (torn.diff() > 0).all()
    slope, bent = slopes(lambda a: a + 0.01 * a.sin())  # not quite isometric
    assert (slope - 1).abs().max() < 0.011 and (bent.diff() > 0).all() and bent.diff().diff().abs().max() > 0


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


def test_unequal_shares_of_units_and_not_the_order_of_masks_drive_relu_networks_apart():
    g = torch.Generator().manual_seed(0)
    A = 2**0.5 * orthogonal_(torch.empty(40, 24, 24, dtype=torch.float64), generator=g)
    h, masks = torch.zeros(40, 24, 1, dtype=torch.float64), []
    for _ in range(120):
        a = A @ h + 0.3 * torch.randn(h.shape, generator=g, dtype=h.dtype)
        h = a.relu()
        masks.append((a > 0).double())
    own = torch.stack(masks)
    share = own.mean(0)

    def spread(masks):
        P = torch.eye(24, dtype=torch.float64)
        for mask in masks:
            P = mask * (A @ P)
        return torch.linalg.matrix_norm(P, 2).log10().std()

    def draw(p):
        return torch.bernoulli(p.expand(120, *h.shape), generator=g)

    coin = spread(draw(torch.full_like(share, 0.5)))
    for same_shares in (own, own[torch.randperm(120, generator=g)], draw(share)):
        assert spread(same_shares) > 3 * coin


def test_records_on_the_tape_overlap_the_more_the_denser_they_are():
    generator = torch.Generator().manual_seed(0)
    Q = orthogonal_(torch.empty(20, 32, 32, dtype=torch.float64), generator=generator)
    V = torch.randn(20, 32, 4, generator=generator, dtype=torch.float64)
    conditions = []
    for length in (2, 4, 8):
        blocks = torch.cat([torch.linalg.matrix_power(Q, k) @ V for k in range(length)], dim=-1)
        conditions.append(torch.linalg.cond(blocks).median())
    assert conditions[0] < conditions[1] < conditions[2] and conditions[2] > 10


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


def test_the_last_thousandth_of_the_loss_does_notice_the_depth():
    def best(depth, fraction):
        generator = torch.Generator().manual_seed(depth)
        A = torch.randn(4, 12, 12, generator=generator, dtype=torch.float64) / 12**0.5
        weights = initial_weights("orthogonal", depth, 4, 12, generator=generator)
        steps = steps_to_learn(weights, A, (0.2, 0.4, 0.8), fraction=fraction, max_steps=600)
        return steps.median(0).values.min()

    assert best(24, 0.1) < 20 < 2 * best(2, 1e-3) < best(24, 1e-3)


def test_identity_never_learns_a_negative_eigenvalue():
    weights = initial_weights("identity", 4, 2, 2, generator=torch.Generator().manual_seed(0))
    targets = torch.stack([torch.diag(torch.tensor(d, dtype=torch.float64)) for d in ((2.0, 1.0), (2.0, -1.0))])
    steps = steps_to_learn(weights, targets, (0.1,), fraction=0.2, max_steps=400)
    assert steps[0].isfinite() and steps[1].isinf()
    # the loss at the start is (1 + 4) / 2, and a mode that stops at zero leaves 1 / 2 of it
    assert steps_to_learn(weights, targets, (0.1,), fraction=0.21, max_steps=400)[1].isfinite()


@pytest.mark.parametrize(
    "call",
    [
        lambda: train_network("parity", "tanh"),
        lambda: train_network("adding", "tanh", "gaussian"),
        lambda: train_network("adding", "tanh", -1.0),
        lambda: train_networks("adding", "tanh", []),
        lambda: train_network("adding", "tanh", steps=10),
        lambda: train_network("adding", "softplus"),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ValueError, match="expected"):
        call()


def test_euler_step_of_an_antisymmetric_flow_lengthens_every_vector_that_it_turns():
    M = torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    A, v = M - M.T, torch.ones(6, dtype=torch.float64)
    longer = (v + 0.1 * A @ v).square().sum()
    torch.testing.assert_close(longer, v.square().sum() + 0.01 * (A @ v).square().sum())
