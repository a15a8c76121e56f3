import pytest
import torch
from torch import nn

from gradflow._side_by_side import side_by_side
from gradflow.networks import deep_network, gaussian_weights, residual_network


def plain(g):
    return deep_network(gaussian_weights(3, 4, generator=g), nn.Tanh, "after")


def residual(g):
    weights, ends = (gaussian_weights(3, 4, generator=g) for _ in range(2))
    return residual_network(weights, nn.ReLU, 0.5, "pre", ends)


@pytest.mark.parametrize("make", [plain, residual])
def test_each_network_does_what_it_does_alone(make):
    g = torch.Generator().manual_seed(0)
    networks, x = [make(g) for _ in range(3)], torch.randn(3, 5, 4, generator=g)
    alone = torch.stack([network(batch) for network, batch in zip(networks, x, strict=True)])
    of_first = torch.autograd.grad(alone[0].sum(), list(networks[0].parameters()))
    together = side_by_side(networks)
    torch.testing.assert_close(together(x), alone)
    for gradient, expected in zip(
        torch.autograd.grad(together(x)[0].sum(), list(together.parameters())), of_first, strict=True
    ):
        torch.testing.assert_close(gradient[0], expected)
        assert not gradient[1:].any()


@pytest.mark.parametrize("networks", [[], [nn.Sequential(nn.Linear(2, 2))]])
def test_no_networks_and_biases_are_told(networks):
    with pytest.raises(ValueError, match=r"^networks: expected"):
        side_by_side(networks)
