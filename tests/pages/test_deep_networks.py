"""What the page on deep networks claims and other tests do not already measure."""

import pytest
import torch
from torch import nn

from gradflow.networks import deep_linear, deep_network, gaussian_weights, identity_weights


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


def train(make, learning_rate, max_norm, steps=200):
    g = torch.Generator().manual_seed(0)
    network, x = make(g), torch.randn(16, 16, generator=g)
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    losses = []
    for _ in range(steps):
        loss = nn.functional.mse_loss(network(x), x)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), max_norm)
        optimizer.step()
        schedule.step()
    return losses


def exploding(g):
    return deep_linear(30, 16, 1.5, 0.01, generator=g)


def test_the_exploding_linear_network_trains_with_clipping_only():
    clipped = train(exploding, 1.0, 1.0)
    assert clipped[0] > 1e8 and clipped[-1] < 0.1
    plain = train(exploding, 0.01, float("inf"), steps=4)
    assert not plain[-1] < float("inf")


def test_one_factor_for_all_layers_does_not_help_where_layers_differ_by_millions():
    losses = train(lambda g: deep_network(gaussian_weights(50, 16, 4.0, generator=g), nn.Tanh), 1.0, 1.0)
    assert min(losses) > 0.5 * losses[0]
