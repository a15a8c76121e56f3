"""Patients of the format of numbers: overflow and rounding in half precision, scales, clipping of what overflowed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradflow.experiments.diagnosis.patients import adam, patient, sgd, train_watched
from gradflow.monitor import GradientMonitor

GROUP = "format"


@patient(GROUP, "half-overflow", "down")
def activations_overflow(ill: bool) -> GradientMonitor:
    """The second matrix of a feed-forward block exceeds 65504 in float16; bfloat16 has the range."""
    up, down, norm = nn.Linear(64, 256), nn.Linear(256, 64), nn.LayerNorm(64)
    net = nn.ModuleDict({"up": up, "down": down, "norm": norm})
    with torch.no_grad():
        up.weight.mul_(90)
        down.weight.mul_(90)
    x, y = torch.randn(16, 64), torch.randn(16, 64)

    def loss() -> Tensor:
        with torch.autocast("cpu", dtype=torch.float16 if ill else torch.bfloat16):
            hidden = down(torch.relu(up(x * 12)))
            out = norm(x + hidden)
        return (out.float() - y).square().mean()

    return train_watched(net, sgd(net, 0.1), loss)


@patient(GROUP, "half-overflow", "Pow")
def square_overflows(ill: bool) -> GradientMonitor:
    """An error of 300 is a number in float16, its square is not."""
    net = nn.Linear(4, 1)
    x = torch.randn(32, 4)
    y = 300 + 10 * torch.randn(32, 1)

    def loss() -> Tensor:
        with torch.autocast("cpu", dtype=torch.float16):
            error = net(x) - y.half()
        return ((error if ill else error.float()) ** 2).mean()

    return train_watched(net, sgd(net, 0.05), loss)


@patient(GROUP, "lost-updates", "optimizer.step")
def weights_stand_still(ill: bool) -> GradientMonitor:
    """Weights kept in bfloat16: a step below 0.4 % of a weight is rounded away."""
    dtype = torch.bfloat16 if ill else torch.float32
    net = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 1)).to(dtype)
    x = torch.randn(256, 8).to(dtype)
    y = x[:, :1] * x[:, 1:2]
    return train_watched(net, adam(net, 2e-4), lambda: (net(x).float() - y.float()).square().mean(), steps=60)


@patient(GROUP, "eps-rounded", "step()")
def epsilon_is_zero(ill: bool) -> GradientMonitor:
    """Adam's eps of 1e-8 is zero in float16, and so is the square of a small gradient: 0/0."""
    net = nn.Linear(8, 1).to(torch.float16)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, eps=1e-8 if ill else 1e-4)
    x = 1e-3 * torch.randn(64, 8).half()
    y = 1e-3 * torch.randn(64, 1).half()
    nn.init.zeros_(net.bias)
    return train_watched(net, optimizer, lambda: (net(x) - y).float().abs().mean(), steps=10)


@patient(GROUP, "clip-overflow", "clip_grad_norm_")
def clip_of_an_overflowed_norm(ill: bool) -> GradientMonitor:
    """Finite gradients whose squares overflow float32: the norm is inf, the clipping factor zero."""
    net = nn.Linear(8, 1)
    scale = 1e25 if ill else 1.0
    x = torch.randn(64, 8)
    y = x.sum(1, keepdim=True)
    return train_watched(net, sgd(net, 0.1), lambda: (net(x) - y).square().mean() * scale, clip=1.0)


@patient(GROUP, "clip-before-unscale", "clip_grad_norm_")
def clip_before_unscale(ill: bool) -> GradientMonitor:
    """The gradient is clipped while it still bears the loss scale, and then divided by it."""
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    x = torch.randn(128, 8)
    optimizer, scaler = sgd(net, 0.1), torch.amp.GradScaler("cpu")
    with GradientMonitor(net, optimizer) as monitor:
        for _ in range(30):
            loss = (net(x) - 2 * x[:, :1]).square().mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            if not ill:
                scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            monitor.step(loss)
    return monitor


@patient(GROUP, "singular-backward skipped-steps", "Log")
def scaler_skips_every_step(ill: bool) -> GradientMonitor:
    """log(softmax) reaches log(0); a clamp hides it from the loss, and the scaler skips step after step."""
    net = nn.Linear(4, 3)
    x, y = 300 * torch.randn(64, 4), torch.randint(0, 3, (64,))
    optimizer, scaler = sgd(net, 1e-3), torch.amp.GradScaler("cpu", init_scale=2.0**16)
    with GradientMonitor(net, optimizer, scaler=scaler) as monitor:
        for _ in range(30):
            logits = net(x / (1 if ill else 300))
            logs = logits.softmax(1).log().clamp(min=-100) if ill else logits.log_softmax(1)
            loss = nn.functional.nll_loss(logs, y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            monitor.step(loss)
    return monitor
