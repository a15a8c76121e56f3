"""Patients that break at a singular point: a root, a logarithm, a quotient, a decomposition."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradflow.experiments.diagnosis.patients import adam, patient, sgd, train_watched
from gradflow.monitor import GradientMonitor

GROUP = "singular"


@patient(GROUP, "singular-backward", "Sqrt")
def sqrt_of_zero(ill: bool) -> GradientMonitor:
    """Features of a blank patch are exactly zero; the epsilon stands after the root instead of under it."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.GELU())

    def loss() -> Tensor:
        image = torch.rand(2, 3, 8, 8)
        image[0, :, :4] = 0.0
        features = net(image)
        square = (features**2).sum(1, keepdim=True)
        length = square.sqrt() + 1e-5 if ill else (square + 1e-10).sqrt()
        return (features / length - 0.1).square().mean()

    return train_watched(net, sgd(net, 0.1), loss)


@patient(GROUP, "singular-backward", "Acos")
def angle_of_equal_vectors(ill: bool) -> GradientMonitor:
    """An angle between directions: where they agree the cosine is 1, and the slope of acos is infinite."""
    net = nn.Linear(4, 4, bias=False)
    nn.init.eye_(net.weight)
    x = nn.functional.normalize(torch.randn(16, 4), dim=1)
    x[0] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    y = x + torch.cat([torch.zeros(1, 4), 0.3 * torch.randn(15, 4)])

    def loss() -> Tensor:
        cosine = nn.functional.cosine_similarity(net(x), y)
        return (cosine if ill else cosine.clamp(-1 + 1e-6, 1 - 1e-6)).acos().mean()

    return train_watched(net, sgd(net, 0.1), loss)


@patient(GROUP, "behind-where singular-backward", "Sqrt")
def root_behind_where(ill: bool) -> GradientMonitor:
    """torch.where hides the bad branch from the value, and not from the gradient."""
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    x, y = torch.randn(32, 4), torch.rand(32, 1)

    def loss() -> Tensor:
        z = net(x)
        root = z.sqrt() if ill else torch.where(z > 0, z, 1.0).sqrt()
        return (torch.where(z > 0, root, 0.0) - y).square().mean()

    return train_watched(net, sgd(net, 0.05), loss)


@patient(GROUP, "singular-forward", "gate")
def logarithm_inside(ill: bool) -> GradientMonitor:
    """A module takes the logarithm of negative numbers; anomaly mode would blame the loss."""

    class LogGate(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.log(x) if ill else torch.log(nn.functional.softplus(x) + 1e-3)

    net = nn.Sequential()
    for name, module in {"first": nn.Linear(4, 8), "gate": LogGate(), "second": nn.Linear(8, 1)}.items():
        net.add_module(name, module)
    x, y = torch.randn(16, 4), torch.randn(16, 1)
    return train_watched(net, sgd(net, 0.01), lambda: nn.functional.mse_loss(net(x), y))


@patient(GROUP, "empty-mean", "Div")
def empty_mean(ill: bool) -> GradientMonitor:
    """One batch in a hundred has no label at all: the masked mean is 0/0."""
    net = nn.Linear(8, 4)

    def loss() -> Tensor:
        x = torch.randn(16, 8)
        y = x[:, :4].argmax(1)
        mask = torch.rand(16) < 0.1
        losses = nn.functional.cross_entropy(net(x), y, reduction="none")
        return (losses * mask).sum() / (mask.sum() if ill else mask.sum().clamp(min=1))

    return train_watched(net, adam(net, 1e-2), loss, steps=60)


@patient(GROUP, "masked-row", "attention")
def masked_row(ill: bool) -> GradientMonitor:
    """A window and a padding mask together leave one query without a single key."""
    net = nn.ModuleDict({"attention": nn.MultiheadAttention(8, 2, batch_first=True)})
    padded = torch.tensor([[False] * 4, [False, False, True, True]])
    position = torch.arange(4)
    window = ((position[:, None] - position) > 1) | (position > position[:, None])
    mask = window | padded[:, None, :]
    if not ill:
        mask = mask & ~torch.eye(4, dtype=torch.bool)

    def loss() -> Tensor:
        x = torch.randn(2, 4, 8)
        out, _ = net["attention"](x, x, x, attn_mask=mask.repeat_interleave(2, 0))
        return (out - x)[~padded].square().mean()

    return train_watched(net, adam(net, 1e-2), loss)


@patient(GROUP, "decomposition", "Svd")
def equal_singular_values(ill: bool) -> GradientMonitor:
    """The loss asks for singular vectors of an orthogonal matrix: 1/(s_i^2 - s_j^2) with equal s."""
    net = nn.Linear(6, 6, bias=False)
    nn.init.eye_(net.weight)

    def loss() -> Tensor:
        if not ill:
            return (torch.linalg.svdvals(net.weight) - 2).square().sum()
        vectors = torch.linalg.svd(net(torch.eye(6))).U
        return (vectors[:, 0] * torch.arange(6.0)).sum().square()

    return train_watched(net, sgd(net, 0.05), loss, steps=1 if ill else 30)


@patient(GROUP, "exp-overflow unscaled-input", "Exp")
def unbounded_log_variance(ill: bool) -> GradientMonitor:
    """A variational autoencoder on raw counts: exp of an unbounded log-variance."""
    net = nn.ModuleDict({"encoder": nn.Linear(16, 8), "decoder": nn.Linear(4, 16)})
    x = (1000.0 if ill else 1.0) * torch.randn(64, 16).abs()

    def loss() -> Tensor:
        mean, log_variance = net["encoder"](x).chunk(2, 1)
        if not ill:
            log_variance = log_variance.clamp(-30, 20)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
        return (net["decoder"](z) - x).square().mean() + divergence

    return train_watched(net, adam(net, 1e-2), loss)


@patient(GROUP, "bad-batch", "net")
def missing_value(ill: bool) -> GradientMonitor:
    """A missing value in one row of one batch."""
    net = nn.ModuleDict({"net": nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))})
    x = torch.randn(160, 4)
    y = x[:, :1].clone()
    if ill:
        x[97, 2] = torch.nan
    batches = iter(range(0, 160, 16))

    def loss() -> Tensor:
        start = next(batches)
        return nn.functional.mse_loss(net["net"](x[start : start + 16]), y[start : start + 16])

    return train_watched(net, sgd(net, 0.1), loss, steps=10)
