"""Patients of the training loop: the network is sound, and the loop does not do what was meant."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradflow.experiments.diagnosis.patients import adam, patient, sgd, train_watched
from gradflow.monitor import GradientMonitor

GROUP = "loop"


@patient(GROUP, "unregistered", "hidden[0]")
def layers_in_a_plain_list(ill: bool) -> GradientMonitor:
    """Layers in a Python list are nobody's parameters."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = [nn.Linear(16, 16) for _ in range(4)]
            self.hidden = layers if ill else nn.ModuleList(layers)
            self.head = nn.Linear(16, 1)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.hidden:
                x = torch.relu(layer(x))
            return self.head(x)

    net = Net()
    x = torch.randn(256, 16)
    return train_watched(net, adam(net, 1e-2), lambda: (net(x) - x[:, :1]).square().mean())


@patient(GROUP, "not-optimised", "head")
def new_head_after_the_optimizer(ill: bool) -> GradientMonitor:
    """The head is replaced after the optimiser was made: it holds the old one."""
    net = nn.Sequential()
    net.add_module("body", nn.Sequential(nn.Linear(8, 32), nn.ReLU()))
    net.add_module("head", nn.Linear(32, 10))
    optimizer = adam(net, 1e-2)
    net.head = nn.Linear(32, 1)
    if not ill:
        optimizer = adam(net, 1e-2)
    x = torch.randn(128, 8)
    return train_watched(net, optimizer, lambda: (net(x) - x[:, :1]).square().mean())


@patient(GROUP, "no-gradient", "encoder")
def cut_graph(ill: bool) -> GradientMonitor:
    """A stray detach between encoder and head: the encoder never learns."""
    net = nn.ModuleDict({"encoder": nn.Linear(8, 4), "head": nn.Linear(4, 1)})
    x = torch.randn(128, 8)

    def loss() -> Tensor:
        code = torch.tanh(net["encoder"](x))
        return (net["head"](code.detach() if ill else code) - x[:, :1]).square().mean()

    return train_watched(net, adam(net, 1e-2), loss)


@patient(GROUP, "kept-gradients", "zero_grad")
def gradients_not_cleared(ill: bool) -> GradientMonitor:
    """zero_grad is forgotten: the gradients of all steps add up."""
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer, x = sgd(net, 0.05), torch.randn(64, 8)
    with GradientMonitor(net, optimizer) as monitor:
        for _ in range(30):
            loss = (net(x) - x[:, :1]).square().mean()
            loss.backward()
            optimizer.step()
            if not ill:
                optimizer.zero_grad()
            monitor.step(loss)
    return monitor


@patient(GROUP, "clip-every-part", "clip_grad_norm_")
def clip_every_micro_batch(ill: bool) -> GradientMonitor:
    """Four micro-batches a step, and the sum so far is clipped after each of them."""
    net = nn.Linear(8, 1)
    optimizer, x = sgd(net, 0.05), torch.randn(64, 8)
    with GradientMonitor(net, optimizer) as monitor:
        for _ in range(30):
            optimizer.zero_grad()
            for part in x.chunk(4):
                loss = (net(part) - 3 * part.sum(1, keepdim=True)).square().mean() / 4
                loss.backward()
                if ill:
                    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            monitor.step(4 * loss.detach())
    return monitor


@patient(GROUP, "kept-graph", "cell")
def state_never_detached(ill: bool) -> GradientMonitor:
    """The state goes from batch to batch with its whole graph; retain_graph=True hides the mistake."""
    net = nn.ModuleDict({"cell": nn.RNNCell(8, 32), "head": nn.Linear(32, 1)})
    h = torch.zeros(16, 32)
    with GradientMonitor(net) as monitor:
        for _ in range(12):
            h = h if ill else h.detach()
            for _ in range(5):
                h = net["cell"](torch.randn(16, 8), h)
            loss = (net["head"](h) - 1).square().mean()
            net.zero_grad()
            loss.backward(retain_graph=ill)
            monitor.step(loss)
    return monitor


@patient(GROUP, "rate-too-high", "optimizer.step")
def rate_scaled_too_far(ill: bool) -> GradientMonitor:
    """A learning rate beyond 2 / curvature: the loss grows in all layers at once, whatever the Jacobians do."""
    net = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1))
    x = torch.randn(256, 32)
    optimizer = sgd(net, 0.3 if ill else 0.01, momentum=0.9)
    return train_watched(net, optimizer, lambda: (net(x) - x.sum(1, keepdim=True)).square().mean(), steps=60)


@patient(GROUP, "no-warmup", "layers")
def no_warmup(ill: bool) -> GradientMonitor:
    """A deep post-LN transformer at a learning rate that the pre-LN one takes: the answers collapse to one."""
    net = nn.ModuleDict({"embed": nn.Embedding(8, 24), "head": nn.Linear(24, 8)})
    layer = nn.TransformerEncoderLayer(24, 2, 48, dropout=0.0, norm_first=not ill, batch_first=True)
    net["body"] = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
    position = 0.5 * torch.randn(6, 24)

    def loss() -> Tensor:
        x = torch.randint(0, 8, (16, 6))
        h = net["body"](net["embed"](x) + position)
        return nn.functional.cross_entropy(net["head"](h).flatten(0, 1), x.flip(1).flatten())

    return train_watched(net, adam(net, 2e-2), loss, steps=40)
