import pytest
import torch
from torch import nn

from gradflow.experiments.deep_networks.promises import promises_kept


def ones(grads):
    return [1.0] * len(grads)


def quadratic():
    torch.manual_seed(0)
    network = nn.Linear(3, 3, bias=False)
    x, y = torch.randn(2, 5, 3)
    return network, x, y


def test_on_a_quadratic_loss_the_kept_share_falls_linearly():
    network, x, y = quadratic()
    W = network.weight.detach().double().requires_grad_()
    loss = nn.functional.mse_loss(x.double() @ W.T, y.double())
    (G,) = torch.autograd.grad(loss, [W])
    curvature = (x.double() @ G.T).square().mean() / G.norm() ** 3  # of the loss along G / |G|, over |G|
    lengths = [0.01, 0.5, 2.0]
    promise = promises_kept(network, x, y, lambda grads: [3.0] * len(grads), lengths)
    expected = 1 - torch.tensor(lengths, dtype=torch.float64) * curvature
    torch.testing.assert_close(promise.kept, expected, rtol=1e-8, atol=1e-10)
    assert promise.reach == pytest.approx((loss / G.norm()).item(), rel=1e-10)


def test_beyond_the_reach_the_promise_is_broken_whatever_the_network():
    network, x, y = quadratic()
    deep = nn.Sequential(network, nn.Tanh(), nn.Linear(3, 3))
    reach = promises_kept(deep, x, y, ones, [1.0]).reach
    kept = promises_kept(deep, x, y, ones, [reach, 2 * reach, 10 * reach]).kept
    assert (kept <= torch.tensor([1.0, 0.5, 0.1], dtype=torch.float64) + 1e-9).all()


def test_the_network_itself_does_not_move():
    network, x, y = quadratic()
    before = network.weight.detach().clone()
    promises_kept(network, x, y, ones, [1.0])
    assert torch.equal(network.weight, before) and network.weight.grad is None
