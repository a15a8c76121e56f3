import pytest
import torch
from torch import nn

from gradflow.networks import (
    deep_linear,
    deep_network,
    gaussian_weights,
    identity_weights,
    orthogonal_weights,
    residual_network,
)


@pytest.fixture
def g():
    return torch.Generator().manual_seed(0)


def test_identity_weights_are_gain_times_identity_plus_noise(g):
    exact = identity_weights(3, 5, 1.5, generator=g)
    torch.testing.assert_close(exact, 1.5 * torch.eye(5).expand(3, 5, 5))
    noisy = identity_weights(20, 64, 1.5, 0.01, generator=g) - 1.5 * torch.eye(64)
    assert noisy.std().item() == pytest.approx(0.01, rel=0.02)


def test_gaussian_weights_have_variance_sigma_squared_over_width(g):
    weights = gaussian_weights(10, 128, 3.0, generator=g)
    assert weights.var().item() * 128 == pytest.approx(9.0, rel=0.03)


def test_orthogonal_weights_have_all_singular_values_equal_to_gain(g):
    weights = orthogonal_weights(4, 16, 0.7, generator=g)
    torch.testing.assert_close(torch.linalg.svdvals(weights), torch.full((4, 16), 0.7))
    assert not torch.allclose(weights[0], weights[1])


def test_the_network_multiplies_by_its_matrices_in_order(g):
    weights = gaussian_weights(3, 4, generator=g)
    x = torch.randn(2, 4, generator=g)
    expected = x @ weights[0].T @ weights[1].T @ weights[2].T
    torch.testing.assert_close(deep_network(weights)(x), expected)


def test_weights_are_copied_not_shared(g):
    weights = gaussian_weights(2, 4, generator=g)
    before = weights.clone()
    net = deep_network(weights)
    with torch.no_grad():
        net[0].weight.zero_()
    torch.testing.assert_close(weights, before)


def test_deep_linear_with_the_same_generator_state_is_the_same_network():
    nets = [deep_linear(3, 8, 1.5, 0.01, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True))


@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.RMSNorm])
@pytest.mark.parametrize("place", ["before", "after"])
def test_normalization_stands_before_or_after_the_activation(g, place, kind):
    weights = gaussian_weights(2, 8, 3.0, generator=g)
    x = torch.randn(3, 8, generator=g)
    normalize = kind(8, elementwise_affine=False)
    expected = x
    for weight in weights:
        a = expected @ weight.T
        expected = normalize(a).relu() if place == "before" else normalize(a.relu())
    torch.testing.assert_close(deep_network(weights, nn.ReLU, place, kind)(x), expected)


@pytest.mark.parametrize("outer", [False, True])
@pytest.mark.parametrize("norm", [None, "pre", "post"])
def test_residual_blocks_add_the_scaled_branch(g, norm, outer):
    weights = gaussian_weights(2, 8, generator=g)
    ends = gaussian_weights(2, 8, generator=g) if outer else None
    x = torch.randn(3, 8, generator=g)
    normalize = nn.LayerNorm(8, elementwise_affine=False)
    expected = x
    for weight, end in zip(weights, torch.eye(8).expand(2, 8, 8) if ends is None else ends, strict=True):
        branch_input = normalize(expected) if norm == "pre" else expected
        expected = expected + 0.5 * torch.tanh(branch_input @ weight.T) @ end.T
        if norm == "post":
            expected = normalize(expected)
    torch.testing.assert_close(residual_network(weights, nn.Tanh, 0.5, norm, ends)(x), expected)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda g: deep_linear(0, 4, 1.5, generator=g), "depth"),
        (lambda g: deep_linear(2, 4.0, 1.5, generator=g), "width"),
        (lambda g: deep_linear(2, 4, float("nan"), generator=g), "gain"),
        (lambda g: deep_linear(2, 4, 1.0, float("inf"), generator=g), "noise"),
        (lambda g: gaussian_weights(2, 4, "1", generator=g), "sigma"),
        (lambda g: orthogonal_weights(2, True, generator=g), "width"),
        (lambda g: deep_network(torch.ones(4, 4)), "weights"),
        (lambda g: deep_network(torch.ones(2, 4, 3)), "weights"),
        (lambda g: deep_network(torch.full((2, 4, 4), torch.nan)), "weights"),
        (lambda g: deep_network(torch.ones(2, 4, 4), layer_norm="last"), "layer_norm"),
        (lambda g: residual_network(torch.ones(2, 4, 4), scale=torch.inf), "scale"),
        (lambda g: residual_network(torch.ones(2, 4, 4), layer_norm="before"), "layer_norm"),
        (lambda g: residual_network(torch.ones(2, 4, 4), output_weights=torch.ones(2, 3, 3)), "output_weights"),
    ],
)
def test_bad_arguments_are_named(g, make, argument):
    with pytest.raises(ValueError, match=f"^{argument}: expected"):
        make(g)
