"""Healthy loops, usual and unusual, of every kind of module: no finding, over five seeds."""

import copy
import importlib.util
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradflow.monitor import GradientMonitor

_spec = importlib.util.spec_from_file_location("monitor_kinds", Path(__file__).with_name("test_monitor_exact.py"))
kinds = importlib.util.module_from_spec(_spec)
sys.modules["monitor_kinds"] = kinds
_spec.loader.exec_module(kinds)

SEEDS = range(5)


def diagnose(run: Callable[[], GradientMonitor | list[GradientMonitor]]) -> None:
    for seed in SEEDS:
        torch.manual_seed(seed)
        monitors = run()
        for monitor in monitors if isinstance(monitors, list) else [monitors]:
            findings = monitor.diagnose()
            assert not findings, f"seed {seed}: {findings}"


def train(net: nn.Module, loss_of: Callable[[], Tensor], lr: float = 1e-2, steps: int = 25) -> GradientMonitor:
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr)
    with GradientMonitor(net, optimizer) as monitor:
        for _ in range(steps):
            loss = loss_of()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.step(loss)
    return monitor


def mlp(*widths: int) -> nn.Sequential:
    layers = [module for pair in pairwise(widths) for module in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("steps", [2, 15])
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_nothing_is_found_in_a_healthy_network_of_any_kind(kind, steps):
    make, data = kinds.KINDS[kind]

    def run() -> GradientMonitor:
        model = make()
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        dtype = next(model.parameters()).dtype
        x = torch.cat([kinds.batch(data)] * 1)
        y = torch.randint(0, 3, (len(x),))
        with GradientMonitor(model, optimizer) as monitor:
            for _ in range(steps):
                output = kinds.first_tensor(model(x.to(dtype) if x.is_floating_point() else x))
                loss = F.cross_entropy(output.float(), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                monitor.step(loss)
        return monitor

    diagnose(run)


def adversarial(one_monitor: bool) -> list[GradientMonitor]:
    """A generator and a critic that learn from each other."""
    generator, critic = mlp(4, 16, 2), mlp(2, 16, 1)
    optimizers = [torch.optim.Adam(net.parameters(), 2e-3) for net in (generator, critic)]
    if one_monitor:
        monitors = [GradientMonitor(nn.ModuleDict({"generator": generator, "critic": critic}), optimizers)]
    else:
        monitors = [GradientMonitor(net, own) for net, own in zip((generator, critic), optimizers, strict=True)]
    for monitor in monitors:
        monitor.__enter__()
    for _ in range(30):
        real, fake = torch.randn(32, 2) * 0.5 + 1, generator(torch.randn(32, 4))
        loss = F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()
        optimizers[1].zero_grad()
        loss.backward()
        optimizers[1].step()
        loss = F.softplus(-critic(fake)).mean()
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        for monitor in monitors:
            monitor.step(loss)
    for monitor in reversed(monitors):
        monitor.__exit__(None, None, None)
    return monitors


def policy_gradient() -> GradientMonitor:
    policy = mlp(4, 16, 2)

    def loss() -> Tensor:
        state = torch.randn(64, 4)
        choice = torch.distributions.Categorical(logits=policy(state))
        action = choice.sample()
        reward = (action == (state[:, 0] > 0)).float()
        return -(choice.log_prob(action) * (reward - reward.mean())).mean()

    return train(policy, loss)


def target_network() -> GradientMonitor:
    net = mlp(4, 16, 2)
    target = copy.deepcopy(net)

    def loss() -> Tensor:
        state, action = torch.randn(32, 4), torch.randint(0, 2, (32, 1))
        with torch.no_grad():
            value = torch.randn(32) + 0.9 * target(torch.randn(32, 4)).max(1).values
        return F.smooth_l1_loss(net(state).gather(1, action)[:, 0], value)

    return train(net, loss, lr=1e-3)


def batch_of(size: int) -> Callable[[], GradientMonitor]:
    def run() -> GradientMonitor:
        net = mlp(4, 16, 1)

        def loss() -> Tensor:
            x = torch.randn(size, 4)
            return F.mse_loss(net(x), x[:, :1])

        return train(net, loss, lr=1e-2, steps=60)

    return run


def frozen_backbone() -> GradientMonitor:
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).requires_grad_(False)
    net = nn.Sequential(backbone.eval(), nn.Linear(8, 2))
    x = torch.rand(32, 3, 8, 8)
    return train(net, lambda: F.cross_entropy(net(x), (x[:, 0].mean((1, 2)) > 0.5).long()))


def micro_batches(step_each: bool) -> Callable[[], GradientMonitor]:
    def run() -> GradientMonitor:
        net, x = mlp(8, 16, 1), torch.randn(64, 8)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        with GradientMonitor(net, optimizer) as monitor:
            for _ in range(15):
                optimizer.zero_grad()
                total = 0.0
                for part in x.chunk(4):
                    loss = (net(part) - part[:, :1]).square().mean() / 4
                    loss.backward()
                    total += loss.item()
                    if step_each:
                        monitor.step(4 * loss)
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                if not step_each:
                    monitor.step(total)
        return monitor

    return run


def evaluation_between_steps() -> GradientMonitor:
    net, x = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.2), nn.ReLU(), nn.Linear(16, 1)), torch.randn(64, 8)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    with GradientMonitor(net, optimizer) as monitor:
        for _ in range(20):
            loss = (net.train()(x) - x[:, :1]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            net.eval()(1000 * x)
            with torch.no_grad():
                net(x)
            monitor.step(loss)
    assert monitor.record.steps[5].modules["0"].calls == 1
    return monitor


def two_passes_a_step() -> GradientMonitor:
    net = mlp(8, 16, 4)

    def loss() -> Tensor:
        x = torch.randn(32, 8)
        return F.triplet_margin_loss(net(x), net(x + 0.1 * torch.randn_like(x)), net(torch.randn(32, 8)))

    monitor = train(net, loss)
    assert monitor.record.steps[0].modules["0"].calls == 3
    return monitor


def quasi_newton() -> GradientMonitor:
    net, x = mlp(4, 8, 1), torch.randn(64, 4)
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=5, line_search_fn="strong_wolfe")
    with GradientMonitor(net, optimizer) as monitor:
        for _ in range(6):

            def closure() -> Tensor:
                optimizer.zero_grad()
                loss = (net(x) - x[:, :1]).square().mean()
                loss.backward()
                return loss

            monitor.step(optimizer.step(closure))
    return monitor


def half_precision() -> GradientMonitor:
    net, x = mlp(8, 32, 1), torch.randn(64, 8)
    optimizer, scaler = torch.optim.Adam(net.parameters(), 1e-2), torch.amp.GradScaler("cpu")
    with GradientMonitor(net, optimizer) as monitor:
        for _ in range(25):
            with torch.autocast("cpu", dtype=torch.float16):
                output = net(x)
            loss = (output.float() - 3 * x[:, :1]).square().mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            monitor.step(loss)
    return monitor


def converged() -> GradientMonitor:
    net, x = nn.Linear(4, 1), torch.randn(64, 4)
    return train(net, lambda: (net(x) - x[:, :1]).square().mean(), lr=0.1, steps=200)


def labels_of_noise() -> GradientMonitor:
    net = mlp(4, 16, 2)
    return train(net, lambda: F.cross_entropy(net(torch.randn(32, 4)), torch.randint(0, 2, (32,))), lr=1e-3, steps=40)


def carried_state() -> GradientMonitor:
    net = nn.ModuleDict(
        {"table": nn.Embedding(10, 8), "lstm": nn.LSTM(8, 16, batch_first=True), "head": nn.Linear(16, 10)}
    )
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    data, state = torch.randint(0, 3, (8, 400)).cumsum(1) % 10, None
    with GradientMonitor(net, optimizer) as monitor:
        for start in range(0, 320, 16):
            output, state = net["lstm"](net["table"](data[:, start : start + 16]), state)
            state = tuple(part.detach() for part in state)
            loss = F.cross_entropy(net["head"](output).flatten(0, 1), data[:, start + 1 : start + 17].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.step(loss)
    return monitor


UNUSUAL: dict[str, Callable[[], GradientMonitor | list[GradientMonitor]]] = {
    "a generator and its critic, one monitor": lambda: adversarial(True),
    "a generator and its critic, two monitors": lambda: adversarial(False),
    "a policy gradient": policy_gradient,
    "a target network": target_network,
    "a batch of one": batch_of(1),
    "a batch of two": batch_of(2),
    "a frozen backbone": frozen_backbone,
    "micro-batches": micro_batches(False),
    "micro-batches, each a step of the monitor": micro_batches(True),
    "evaluation between steps": evaluation_between_steps,
    "three forward passes a step": two_passes_a_step,
    "an optimiser with a closure": quasi_newton,
    "half precision with a scaler": half_precision,
    "a loss that has converged": converged,
    "labels of pure noise": labels_of_noise,
    "a recurrent state that is carried on": carried_state,
}


@pytest.mark.parametrize("loop", UNUSUAL)
def test_nothing_is_found_in_a_healthy_but_unusual_loop(loop):
    diagnose(UNUSUAL[loop])
