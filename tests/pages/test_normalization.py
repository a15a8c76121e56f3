"""Layer normalization and residual connections against autograd, closed forms and what the page claims."""

import math

import pytest
import torch
from torch import nn

from gradflow.experiments.deep_networks.growth import median_growth
from gradflow.experiments.normalization import (
    effective_dimension,
    measured_growth,
    normalized_recurrence,
    normalized_relu_recurrence,
    residual_product,
    residual_singular_values,
    train_deep,
)
from gradflow.layer_norm import gradient_growth, layer_norm_jacobian
from gradflow.networks import deep_network, gaussian_weights, residual_network

PAIRS = [
    (torch.relu, nn.ReLU),
    (torch.tanh, nn.Tanh),
    (nn.functional.gelu, nn.GELU),
    (torch.sigmoid, nn.Sigmoid),
    (nn.functional.silu, nn.SiLU),
]


def vector(size=10, seed=0):
    return 3 * torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 1


def test_gradient_of_a_scaled_matrix_is_the_inversely_scaled_gradient():
    g = torch.Generator().manual_seed(1)
    W, x, target = (torch.randn(6, 6, generator=g, dtype=torch.float64) for _ in range(3))
    gradient = torch.func.grad(lambda W: (nn.functional.layer_norm(x @ W.T, (6,), eps=0) * target).sum())
    torch.testing.assert_close(gradient(5 * W), gradient(W) / 5)
    assert abs((W * gradient(W)).sum()) < 1e-12


@pytest.mark.parametrize("place", ["after", "before"])
@pytest.mark.parametrize(("function", "layer"), PAIRS)
def test_prediction_agrees_with_a_network(function, layer, place):
    measured = measured_growth(layer, place, width=256, depth=10, seeds=5).median().item()
    assert measured == pytest.approx(math.sqrt(gradient_growth(function, place)), rel=0.025)


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_normalization_in_a_recurrent_network_keeps_the_state_and_loses_the_gradient(noise):
    size, gradient, bound = normalized_recurrence(noise, distance=30, width=48, seeds=5)
    torch.testing.assert_close(size, torch.ones_like(size))
    assert (gradient <= bound + 1e-9).all()
    assert gradient[:, -1].median().item() == pytest.approx(-15 * math.log10(1 + noise**2), rel=0.06)


def test_biases_make_normalization_after_relu_lose_the_gradient():
    predicted = math.sqrt(gradient_growth(torch.relu, "after", bias=1.0))
    assert predicted == pytest.approx(math.sqrt(math.pi / (math.pi - 1) / 2), rel=1e-6) and predicted < 0.9
    measured = measured_growth(nn.ReLU, "after", bias=1.0, width=256, depth=10).median().item()
    assert measured == pytest.approx(predicted, rel=0.05)


def test_it_is_the_subtraction_of_the_mean_that_explodes():
    assert gradient_growth(torch.relu, "after", centered=False) == pytest.approx(1, rel=1e-6)
    rms, layer = (
        measured_growth(nn.ReLU, "after", normalization=kind, width=256, depth=10).median().item()
        for kind in (nn.RMSNorm, nn.LayerNorm)
    )
    assert rms == pytest.approx(1, abs=0.03) and layer > 1.17


def test_a_quiet_input_leaves_torchs_layer_norm_shorter():
    x = vector(512)
    x = 1e-3 * (x - x.mean()) / x.std(correction=0)
    length = nn.functional.layer_norm(x, x.shape).norm() / math.sqrt(512)
    assert length.item() == pytest.approx(1 / math.sqrt(11), rel=1e-6)


@pytest.mark.parametrize("noise", [0.1, 1 / math.sqrt(math.pi - 1), 2.0])
def test_loudness_decides_whether_a_normalized_relu_network_explodes(noise):
    expected = 12.5 * math.log10(math.pi / (math.pi - 1) / (1 + noise**2))
    measured = normalized_relu_recurrence(noise, distance=25, width=96, seeds=5).median().item()
    assert measured == pytest.approx(expected, abs=0.6)


def test_the_usual_place_before_the_activation_does_not_explode():
    quiet, middle = (
        normalized_relu_recurrence(noise, "before", distance=50, width=96).median().item()
        for noise in (0.1, 1 / math.sqrt(math.pi - 1))
    )
    assert quiet < 1.5 < normalized_relu_recurrence(0.1, "after", distance=50, width=96).median().item() - 1
    assert middle == pytest.approx(-25 * math.log10(1 + 2 / (math.pi - 1)), abs=1)


@pytest.mark.parametrize("place", ["after", "before"])
def test_gradient_of_the_normalized_relu_network_is_autograd(place):
    generator = torch.Generator().manual_seed(0)
    W = gaussian_weights(1, 12, generator=generator)[0].double()
    h = torch.randn(12, generator=generator, dtype=torch.float64)
    u = [0.5 * torch.randn(12, generator=generator, dtype=torch.float64) for _ in range(4)]

    def normalize(a):
        return nn.functional.layer_norm(a, (12,), eps=0)

    def run(h):
        for u_t in u:
            a = W @ h + u_t
            h = normalize(a.relu()) if place == "after" else normalize(a).relu()
        return h

    size = torch.autograd.functional.jacobian(run, h).norm() / math.sqrt(12)
    measured = normalized_relu_recurrence(0.5, place, distance=4, width=12, seeds=1)
    torch.testing.assert_close(measured, size.log10()[None])


@pytest.mark.parametrize("scale", [1.0, 0.2, 1 / 40])
def test_residual_product_grows_as_predicted(scale):
    sizes = residual_product(scale, depth=40, width=64, seeds=8)
    expected = 20 * math.log10(1 + scale**2)
    assert sizes[:, -1].median().item() == pytest.approx(expected, rel=0.06, abs=2e-3)


def test_mean_square_of_the_residual_product_is_exact():
    """E‖(I + W_2)(I + W_1)‖² / D = 4 already at D = 3."""
    W = torch.randn(200_000, 2, 3, 3, generator=torch.Generator().manual_seed(0)) / math.sqrt(3)
    P = (torch.eye(3) + W[:, 1]) @ (torch.eye(3) + W[:, 0])
    assert (P.square().sum((1, 2)) / 3).mean().item() == pytest.approx(4, rel=0.02)


def make(width, sigma=2**0.5, depth=30, activation=nn.ReLU, outer=False, **options):
    def build(generator):
        weights = gaussian_weights(depth, width, sigma, generator=generator)
        if outer:
            options["output_weights"] = gaussian_weights(depth, width, generator=generator)
        return (residual_network if "scale" in options else deep_network)(weights, activation, **options)

    return build


@pytest.mark.parametrize("outer", [True, False])
def test_moments_of_a_branch_are_those_of_the_theorem_and_of_the_proposition(outer):
    """D = 4, 400 000 branches: means of F(h), of F'(h) v and of its square, by hand."""
    g = torch.Generator().manual_seed(0)
    D, n = 4, 400_000
    h, v = torch.tensor([0.3, -1.2, 0.5, 2.0]), torch.tensor([1.0, 0.4, -0.7, 0.2])
    W, U = torch.randn(2, n, D, D, generator=g)
    W, U = W * math.sqrt(2 / D), U / math.sqrt(D)
    a = W @ h
    value, slope = a.relu(), (a > 0) * (W @ v)
    if outer:
        value, slope = (U @ value.unsqueeze(-1)).squeeze(-1), (U @ slope.unsqueeze(-1)).squeeze(-1)
    mean = 0 if outer else h.norm() / math.sqrt(math.pi * D)
    tilt = 0 if outer else (h @ v) / h.norm() / math.sqrt(math.pi * D)
    torch.testing.assert_close(value.mean(0), mean * torch.ones(D), atol=0.01, rtol=0)
    torch.testing.assert_close(slope.mean(0), tilt * torch.ones(D), atol=0.01, rtol=0)
    assert value.square().sum(1).mean().item() == pytest.approx(h.square().sum().item(), rel=0.01)
    assert slope.square().sum(1).mean().item() == pytest.approx(v.square().sum().item(), rel=0.01)


def test_a_branch_that_ends_in_relu_defeats_the_factor_of_the_root_of_the_depth():
    depth, width = 200, 64
    real, cut = (
        median_growth(make(width, depth=depth, scale=depth**-0.5, outer=outer), width, seeds=3, every=1 + outer)
        for outer in (True, False)
    )
    assert abs(real.forward) < 0.6 and abs(real.backward) < 0.6
    assert cut.forward > 2 and cut.backward > 1
    bounded = median_growth(make(width, depth=depth, scale=1 / depth), width, seeds=3)
    assert bounded.forward < math.log10(math.e)


def test_bounds_of_the_proposition_on_branches_that_end_in_relu():
    width, depth, alpha = 32, 20, 0.3
    sizes = []
    for seed in range(40):
        network = make(width, depth=depth, scale=alpha)(torch.Generator().manual_seed(seed))
        sizes.append(network(torch.ones(1, width) / math.sqrt(width)).norm().item())
    mean = sum(sizes) / len(sizes)
    assert alpha / math.sqrt(math.pi) * (1 + alpha / math.sqrt(math.pi)) ** (depth - 1) < mean < (1 + alpha) ** depth


def test_identity_in_the_jacobian_does_not_keep_every_direction():
    values = residual_singular_values(depth=60, width=32, seeds=3)
    assert values[:, 0].min() > 6 and values[:, -1].max() < -10
    assert ((values < -3).double().mean(1) > 0.15).all()


def test_pre_norm_grows_as_a_power_and_post_norm_as_the_branch_decides():
    z = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0)).sigmoid()
    v_sigmoid, w_sigmoid = z.square().mean().item(), (z * (1 - z)).square().mean().item()
    branches = [
        ({"outer": True}, 1.0, 1.0),
        ({"outer": False}, 1 - 1 / math.pi, 1.0),
        ({"outer": True, "activation": nn.Sigmoid, "sigma": 1.0}, v_sigmoid, w_sigmoid),
    ]
    post = []
    for options, v, w in branches:
        expected = {
            "pre": 0.5 * sum(math.log10(1 + w / (1 + v * block)) for block in range(1, 40)),
            "post": 0.5 * 39 * math.log10((1 + w) / (1 + v)),
        }
        for kind, growth in expected.items():
            network = make(128, depth=40, scale=1.0, layer_norm=kind, **options)
            measured = median_growth(network, 128, seeds=4, every=1 + options["outer"]).backward
            assert measured == pytest.approx(growth, abs=0.4)
        post.append(measured)
    assert post[2] < -1 < -0.6 < post[0] < 0.6 < 1 < post[1]


def trained(width, layer_norm, **options):
    """How many of three networks fit random labels."""
    losses = train_deep(make(width, layer_norm=layer_norm, **options), width=width, seeds=3)[..., -1]
    return (losses < math.log(2) / 2).any(1).sum().item()


def test_pre_norm_trains_and_norm_after_relu_does_not():
    assert trained(16, "pre", scale=1.0, outer=True) == 3 and trained(16, "after") == 0


def test_an_even_gradient_is_neither_enough_nor_needed():
    """Post-LN: with real branches even and untrained, with branches that end in ReLU growing and trained."""
    real, cut = (trained(32, "post", scale=1.0, depth=50, outer=outer) for outer in (True, False))
    assert real <= 1 and cut >= 2


def test_residual_network_without_norm_diverges():
    losses = train_deep(make(16, scale=1.0, depth=50, outer=True), width=16, steps=20)
    assert losses[..., -1].isnan().all(1).sum() >= 4


def test_training_all_at_once_equals_training_alone():
    together = train_deep(make(8, depth=4), width=8, seeds=3, rates=(0.01, 0.1), steps=8)
    network = make(8, depth=4)(generator := torch.Generator().manual_seed(2))
    x = torch.randn(32, 8, generator=generator)
    labels = torch.randint(0, 2, (32,), generator=generator) * 2.0 - 1
    readout = torch.randn(8, generator=generator) / math.sqrt(8)
    optimizer, losses = torch.optim.SGD(network.parameters(), lr=0.1), []
    for _ in range(8):
        loss = nn.functional.softplus(-labels * (network(x) @ readout)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    torch.testing.assert_close(together[2, 1], torch.tensor(losses), rtol=1e-4, atol=1e-6)


def test_deep_relu_networks_flatten_their_inputs_and_pre_norm_does_not():
    flat = effective_dimension(make(32, layer_norm="before", depth=50))
    kept = effective_dimension(make(32, scale=1.0, layer_norm="pre", depth=50, outer=True))
    assert flat < 4 and kept > 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layer_norm_jacobian(torch.ones(3)), "not constant"),
        (lambda: layer_norm_jacobian(torch.ones(1)), "at least 2"),
        (lambda: layer_norm_jacobian(torch.ones(2, 2)), "dimensions"),
        (lambda: layer_norm_jacobian(torch.randn(3), eps=-1.0), "eps"),
        (lambda: gradient_growth(torch.relu, "inside"), "layer_norm"),
        (lambda: gradient_growth(torch.relu, "after", 0.0), "sigma"),
        (lambda: gradient_growth(torch.relu, "after", bias=math.inf), "bias"),
        (lambda: normalized_relu_recurrence(0.1, "inside"), "layer_norm"),
        (lambda: gradient_growth(lambda a: 0 * a + 1, "after"), "not constant"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
