import math

import pytest
import torch
from torch import nn

from gradflow.experiments.deep_networks.growth import median_growth
from gradflow.networks import deep_linear, deep_network, gaussian_weights, residual_network
from gradflow.profile import layer_gradient_norms


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_scaled_identity_grows_equally_both_ways_and_not_along_the_weights(gain):
    growth = median_growth(lambda g: deep_linear(10, 8, gain, generator=g), 8, seeds=3)
    assert growth.forward == pytest.approx(10 * math.log10(gain), abs=1e-5)
    assert growth.backward == pytest.approx(9 * math.log10(gain), abs=1e-5)
    assert growth.weights == pytest.approx(0, abs=1e-5)


def test_layer_norm_after_relu_keeps_the_forward_pass_and_explodes_the_backward_one():
    def make(place):
        return lambda g: deep_network(gaussian_weights(50, 64, 2**0.5, generator=g), nn.ReLU, layer_norm=place)

    after, before = median_growth(make("after"), 64), median_growth(make("before"), 64)
    assert abs(after.forward) < 0.1 and after.weights > 3.5
    assert abs(before.forward) < 0.3 and abs(before.weights) < 0.6


@pytest.mark.parametrize("every", [1, 2])
def test_the_growth_of_one_network_is_that_of_its_profile(every):
    def make(g):
        weights, ends = (gaussian_weights(6, 8, generator=g) for _ in range(2))
        return residual_network(weights, nn.Tanh, 1.0, "post", ends)

    generator = torch.Generator().manual_seed(0)
    network = make(generator)
    x, direction = torch.randn(2, 1, 8, generator=generator)
    profile = layer_gradient_norms(network, x, lambda y: (y * direction).sum())
    growth = median_growth(make, 8, seeds=1, every=every)
    for measured, norms in (
        (growth.forward, profile.activations.flip(0)),
        (growth.backward, profile.deltas[::every]),
        (growth.weights, profile.weight_grads[::every]),
    ):
        assert measured == pytest.approx((norms[0] / norms[-1]).log10().item(), abs=1e-5)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"^seeds: expected"):
        median_growth(lambda g: nn.Linear(2, 2), 2, seeds=0)
