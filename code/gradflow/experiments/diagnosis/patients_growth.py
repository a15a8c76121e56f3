"""Patients whose gradient grows or fades in depth or in time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gradflow.experiments.diagnosis.patients import adam, patient, sgd, train_watched
from gradflow.monitor import GradientMonitor

GROUP = "growth"


@patient(GROUP, "vanishing-depth saturation", "")
def deep_sigmoid(ill: bool) -> GradientMonitor:
    """Fifteen layers of sigmoid: the gradient loses a factor of four or more in each."""
    layers: list[nn.Module] = [nn.Linear(16, 16), nn.Sigmoid() if ill else nn.ReLU()]
    for _ in range(14):
        layers += [nn.Linear(16, 16), nn.Sigmoid() if ill else nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(16, 2))
    for module in net:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight) if not ill else nn.init.xavier_normal_(module.weight)
            nn.init.zeros_(module.bias)
    x = torch.randn(64, 16)
    y = (x[:, 0] > 0).long()
    return train_watched(net, sgd(net, 0.05), lambda: nn.functional.cross_entropy(net(x), y), steps=30)


@patient(GROUP, "explosion-depth", "0")
def deep_and_loud(ill: bool) -> GradientMonitor:
    """Twenty ReLU layers with weights three times too large: gradients and activations grow alike."""
    layers: list[nn.Module] = []
    for _ in range(20):
        layers += [linear := nn.Linear(32, 32), nn.ReLU()]
        nn.init.normal_(linear.weight, std=(3.0 if ill else 1.0) * math.sqrt(2 / 32))
    net = nn.Sequential(*layers, nn.Linear(32, 1))
    x = torch.randn(64, 32)
    return train_watched(net, sgd(net, 1e-3), lambda: (net(x) - x[:, :1]).square().mean(), steps=20)


@patient(GROUP, "forget-gate", "lstm")
def lstm_forgets(ill: bool) -> GradientMonitor:
    """The clue lies 60 steps back and the forget gate starts at one half."""
    length = 60
    lstm, head = nn.LSTM(2, 16), nn.Linear(16, 1)
    net = nn.ModuleDict({"lstm": lstm, "head": head})
    if not ill:
        with torch.no_grad():
            lstm.get_parameter("bias_ih_l0").zero_()
            lstm.get_parameter("bias_hh_l0").zero_()[16:32] = math.log(length - 1)

    def loss() -> Tensor:
        y = torch.randint(0, 2, (32, 1)).float()
        x = 0.3 * torch.randn(length, 32, 2)
        x[:, :, 1] = 0
        x[0, :, 1] = 2 * y[:, 0] - 1
        return nn.functional.binary_cross_entropy_with_logits(head(lstm(x)[0][-1]), y)

    return train_watched(net, adam(net, 1e-2), loss, steps=40, clip=1.0)


@patient(GROUP, "vanishing-lag", "cell")
def cell_forgets(ill: bool) -> GradientMonitor:
    """A loop over a tanh cell with small recurrent weights; the clue is the first input."""
    cell, head = nn.RNNCell(2, 16), nn.Linear(16, 1)
    net = nn.ModuleDict({"cell": cell, "head": head})
    nn.init.orthogonal_(cell.weight_hh)
    with torch.no_grad():
        cell.weight_hh.mul_(0.5 if ill else 1.0)

    def loss() -> Tensor:
        y = torch.randint(0, 2, (32, 1)).float()
        h = torch.zeros(32, 16)
        for step in range(40):
            clue = (2 * y - 1) * (step == 0)
            h = cell(torch.cat([clue, 0.01 * torch.randn(32, 1)], 1), h)
        return nn.functional.binary_cross_entropy_with_logits(head(h), y)

    return train_watched(net, adam(net, 1e-3 if ill else 3e-3), loss, steps=30)


@patient(GROUP, "explosion-lag rate-too-high", "")
def recurrence_without_bound(ill: bool) -> GradientMonitor:
    """A ReLU recurrence on long sequences: one step over the cliff, and the product of Jacobians explodes."""
    rnn, head = nn.RNN(2, 32, nonlinearity="relu"), nn.Linear(32, 1)
    net = nn.ModuleDict({"rnn": rnn, "head": head})
    with torch.no_grad():
        rnn.get_parameter("weight_hh_l0").copy_(torch.eye(32))
        rnn.get_parameter("weight_ih_l0").mul_(0.3)
        rnn.get_parameter("bias_ih_l0").zero_()
        rnn.get_parameter("bias_hh_l0").zero_()

    def loss() -> Tensor:
        x = torch.rand(60, 32, 2)
        x[:, :, 1] = (torch.rand(60, 32) < 0.05).float()
        y = (x[:, :, 0] * x[:, :, 1]).sum(0)[:, None]
        return (head(rnn(x)[0][-1]) - y).square().mean()

    return train_watched(net, sgd(net, 2e-2 if ill else 3e-3), loss, steps=25, clip=None if ill else 1.0)


@patient(GROUP, "growing-stream", "0")
def stream_grows(ill: bool) -> GradientMonitor:
    """Sixty-four residual branches of the same size: nobody normalises their sum."""

    class Block(nn.Module):
        def __init__(self, scale: float) -> None:
            super().__init__()
            self.norm, self.up, self.down = (nn.LayerNorm(16), nn.Linear(16, 64), nn.Linear(64, 16))
            nn.init.normal_(self.up.weight, std=0.4)
            nn.init.normal_(self.down.weight, std=0.4 * scale)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.down(torch.relu(self.up(self.norm(x))))

    net = nn.Sequential(*(Block(1.0 if ill else 64**-0.5) for _ in range(64)), nn.LayerNorm(16), nn.Linear(16, 4))
    x, y = torch.randn(32, 16), torch.randint(0, 4, (32,))
    return train_watched(net, sgd(net, 1e-2), lambda: nn.functional.cross_entropy(net(x), y), steps=4)
