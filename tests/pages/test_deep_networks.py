"""What the page on deep networks claims and other tests do not already measure."""

import pytest
import torch
from torch import nn

from gradflow.experiments.deep_networks.promises import promises_kept
from gradflow.networks import deep_linear, deep_network, gaussian_weights, identity_weights
from gradflow.profile import layer_gradient_norms


def test_a_layer_stretches_between_its_smallest_and_its_largest_singular_value():
    g = torch.Generator().manual_seed(0)
    W, h = identity_weights(1, 16, 1.5, 0.1, generator=g)[0].double(), torch.randn(16, 500, generator=g).double()
    stretch = (W @ h).norm(dim=0) / h.norm(dim=0)
    sigma = torch.linalg.svdvals(W)
    assert (stretch >= sigma[-1]).all() and (stretch <= sigma[0]).all()
    noise = W - 1.5 * torch.eye(16)
    assert sigma[-1] >= 1.5 - torch.linalg.matrix_norm(noise, 2)


@pytest.mark.parametrize(("gain", "noise"), [(1.0, 0.2), (0.5, 0.3)])
def test_the_mean_squared_norm_grows_by_gain_squared_plus_width_times_noise_squared(gain, noise):
    g = torch.Generator().manual_seed(0)
    width, depth, x = 8, 3, torch.ones(8)
    squares = []
    for _ in range(3000):
        h = x
        for W in identity_weights(depth, width, gain, noise, generator=g):
            h = W @ h
        squares.append(h.square().sum())
    expected = (gain**2 + width * noise**2) ** depth * 8
    assert torch.stack(squares).mean().item() == pytest.approx(expected, rel=0.06)


def test_layer_norm_does_not_change_the_shape_of_a_distribution():
    v = torch.empty(10_000, dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(0))
    normalized = nn.functional.layer_norm(v, v.shape, eps=0.0)

    def skewness(u):
        return (((u - u.mean()) / u.std()) ** 3).mean().item()

    assert skewness(normalized) == pytest.approx(skewness(v), rel=1e-9) and skewness(v) > 1.5


@pytest.mark.parametrize("width", [2, 32])
def test_the_norm_of_one_network_strays_equally_little_at_every_width(width):
    logs = []
    for seed in range(200):
        g = torch.Generator().manual_seed(seed)
        h = torch.randn(width, generator=g)
        start = h.norm()
        for W in identity_weights(20, width, 1.5, 0.05, generator=g):
            h = W @ h
        logs.append((h.norm() / start).log())
    assert torch.stack(logs).std().item() == pytest.approx(20**0.5 * 0.05 / 1.5, rel=0.2)


def test_equal_layers_need_not_have_equal_weight_gradients():
    network = deep_network(torch.diag(torch.tensor([2.0, 1.1])).double().repeat(50, 1, 1))
    start = torch.tensor([[2.0**-25, 1.0]]).double()
    grads = layer_gradient_norms(network, start, lambda y: (y * start).sum()).weight_grads
    assert grads[0] > 1e7 and grads[-1] > 1e7 and grads[24] < 200


@pytest.mark.parametrize("sigma", [3.0, 30.0])
def test_large_weights_do_not_make_the_activations_of_tanh_grow(sigma):
    g = torch.Generator().manual_seed(0)
    network = deep_network(gaussian_weights(20, 32, sigma, generator=g), nn.Tanh)
    norms = layer_gradient_norms(network, torch.randn(1, 32, generator=g), torch.sum).activations[1:]
    assert (norms < 32**0.5).all()
    if sigma == 3.0:  # far enough below sqrt(D) to be told from layer normalization
        assert (norms < 0.95 * 32**0.5).all()


def problem(make, seed=0, width=32):
    g = torch.Generator().manual_seed(seed)
    return make(g), torch.randn(32, width, generator=g)


def train(network, x, factors, lr, target=None, steps=200):
    weights, losses = list(network.parameters()), []
    for step in range(steps):
        loss = nn.functional.mse_loss(network(x), x if target is None else target)
        losses.append(loss.item())
        grads = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for W, grad, factor in zip(weights, grads, factors(grads), strict=True):
                W -= lr * (1 - step / steps) * factor * grad
    return losses


def clip(grads):
    norm = torch.stack([grad.norm() for grad in grads]).norm().item()
    return [1 / max(norm, 1.0)] * len(grads)


def equalize(grads):
    return [1 / (max(grad.norm().item(), 1e-30) * len(grads) ** 0.5) for grad in grads]


def exploding(g):
    return deep_linear(30, 16, 1.5, 0.01, generator=g)


def chaotic(g):
    return deep_network(gaussian_weights(50, 32, 2.5, generator=g), nn.Tanh)


def test_the_exploding_linear_network_trains_with_clipping_only():
    network, x = problem(exploding, width=16)
    clipped = train(network, x, clip, 1.0)
    assert clipped[0] > 1e8 and clipped[-1] < 0.1
    network, x = problem(exploding, width=16)
    assert not train(network, x, lambda grads: [1.0] * len(grads), 0.01, steps=4)[-1] < float("inf")


@pytest.mark.parametrize("factors", [clip, equalize])
def test_neither_one_factor_nor_one_for_each_layer_cures_the_tanh_network(factors):
    network, x = problem(chaotic)
    assert min(train(network, x, factors, 3.0)) > 0.85 * x.square().mean()


def test_its_last_layer_alone_learns():
    network, x = problem(chaotic)
    features = network[:-2](x).detach()
    assert train(network[-2:], features, clip, 3.0, target=x)[-1] < 0.75 * x.square().mean()


def test_the_gradient_of_the_tanh_network_may_be_trusted_for_a_tiny_step_only():
    for factors in (clip, equalize):
        network, x = problem(chaotic)
        promise = promises_kept(network, x, x, factors, [1e-10, 1e-3])
        assert promise.reach < 1e-3 and promise.kept[0] > 0.9 and promise.kept[1].abs() < 0.05
    network, x = problem(exploding, width=16)
    promise = promises_kept(network, x, x, clip, [1e-3])
    assert promise.reach > 0.1 and promise.kept[0] > 0.9


def test_one_step_turns_the_explosion_behind_layer_norm_into_vanishing():
    g = torch.Generator().manual_seed(0)
    network = deep_network(gaussian_weights(50, 64, 2**0.5, generator=g), nn.ReLU, "after").double()
    x, v = torch.randn(2, 1, 64, generator=g, dtype=torch.float64)

    def loss(y):
        return (y * v).sum()

    before = layer_gradient_norms(network, x, loss)
    weights = list(network.parameters())
    grads = torch.autograd.grad(loss(network(x)), weights)
    with torch.no_grad():
        for W, grad in zip(weights, grads, strict=True):
            W -= 0.01 * grad
    after = layer_gradient_norms(network, x, loss)
    for profile in (before, after):
        torch.testing.assert_close(
            profile.activations[1:], torch.full((50,), 8.0, dtype=torch.float64), rtol=1e-3, atol=0
        )
    assert before.weight_grads[0] > 100 * before.weight_grads[-1]
    assert weights[0].norm() > 10 * 64**0.5 > 5 * weights[-1].norm() / 2
    assert after.weight_grads[0] < 1e-20
