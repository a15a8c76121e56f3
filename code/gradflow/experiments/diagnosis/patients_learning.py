"""Patients that learn nothing though nothing explodes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradflow.experiments.diagnosis.patients import adam, patient, sgd, train_watched
from gradflow.monitor import GradientMonitor

GROUP = "learning"


@patient(GROUP, "log-of-sigmoid unscaled-input", "Sigmoid")
def loss_after_sigmoid(ill: bool) -> GradientMonitor:
    """Features that were never centred: the sigmoid is exactly 1, its slope exactly 0."""
    net = nn.Linear(4, 1)
    x = torch.randn(64, 4) + (200 if ill else 0)
    y = (x[:, :1] > x[:, :1].mean()).float()
    nn.init.constant_(net.weight, 0.05)

    def loss() -> Tensor:
        z = net(x)
        if ill:
            return nn.functional.binary_cross_entropy(z.sigmoid(), y)
        return nn.functional.binary_cross_entropy_with_logits(z, y)

    return train_watched(net, sgd(net, 1e-5 if ill else 0.3), loss)


@patient(GROUP, "softmax-twice", "3")
def softmax_twice(ill: bool) -> GradientMonitor:
    """The model ends with softmax and cross_entropy applies it once more."""
    layers = [nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 5)]
    net = nn.Sequential(*layers, *([nn.Softmax(1)] if ill else []))
    x = torch.randn(128, 8)
    y = x[:, :5].argmax(1)
    return train_watched(net, adam(net, 1e-2), lambda: nn.functional.cross_entropy(net(x), y))


@patient(GROUP, "dead-units", "1")
def dead_relu(ill: bool) -> GradientMonitor:
    """A negative initial bias: no unit answers to any sample."""
    first = nn.Linear(8, 32)
    nn.init.constant_(first.bias, -10.0 if ill else 0.0)
    net = nn.Sequential(first, nn.ReLU(), nn.Linear(32, 1))
    x = torch.randn(128, 8)
    return train_watched(net, adam(net, 1e-2), lambda: (net(x) - x[:, :1]).square().mean())


@patient(GROUP, "saturation unscaled-input", "")
def saturated_tanh(ill: bool) -> GradientMonitor:
    """Inputs in raw units drive tanh to its ends."""
    net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    raw = torch.randn(128, 8)
    y = (raw[:, :1] * raw[:, 1:2]).sign()
    x = 1000 * raw + 3000 if ill else raw
    return train_watched(net, sgd(net, 0.05), lambda: (net(x) - y).square().mean(), steps=30)


@patient(GROUP, "zero-gradient", "norm")
def norm_and_sum(ill: bool) -> GradientMonitor:
    """The sum of a normalised vector is a constant: its gradient is zero to the last bit, or nearly so."""
    net = nn.Sequential()
    net.add_module("first", nn.Linear(8, 16))
    net.add_module("norm", nn.LayerNorm(16, elementwise_affine=False))
    if not ill:
        net.add_module("head", nn.Linear(16, 1))
    x = torch.randn(64, 8)
    return train_watched(net, adam(net, 1e-2), lambda: (net(x).sum(1) - x[:, 0]).square().mean())


@patient(GROUP, "zero-gradient", "Round")
def rounding_in_between(ill: bool) -> GradientMonitor:
    """A quantiser without a straight-through estimate has slope zero everywhere."""
    net = nn.ModuleDict({"encoder": nn.Linear(8, 8)})
    x = torch.randn(64, 8)

    def loss() -> Tensor:
        code = 4 * net["encoder"](x)
        coded = code.round() if ill else code + (code.round() - code).detach()
        return (coded / 4 - x).square().mean()

    return train_watched(net, adam(net, 1e-2), loss)


@patient(GROUP, "rate-too-low", "optimizer.step")
def hardly_a_step(ill: bool) -> GradientMonitor:
    """A schedule that starts at next to nothing."""
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    x = torch.randn(128, 8)
    return train_watched(net, adam(net, 1e-9 if ill else 1e-2), lambda: (net(x) - x[:, :1]).square().mean())
