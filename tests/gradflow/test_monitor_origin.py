"""The first bad place, forward and backward: the module, the operation, the step and the batch."""

import math

import pytest
import torch
from torch import nn

from gradflow.monitor import GradientMonitor
from gradflow.monitor.measure import measure, norm


class Function(nn.Module):
    """One function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def ten_layers(at: int, function) -> nn.Sequential:
    """Ten tanh layers with one function after layer ``at``, as module ``fault``."""
    net = nn.Sequential()
    for index in range(10):
        net.add_module(f"layer{index}", nn.Linear(4, 4))
        net.add_module(f"tanh{index}", nn.Tanh())
        if index == at:
            net.add_module("fault", Function(function))
    return net


def one_step(model, x, loss_of=lambda y: y.square().mean(), **options) -> GradientMonitor:
    with GradientMonitor(model, **options) as monitor:
        loss = loss_of(model(x))
        loss.backward()
        monitor.step(loss)
    return monitor


@pytest.mark.parametrize("at", [0, 6, 9])
def test_the_module_whose_output_first_leaves_the_finite_numbers_is_named(at):
    torch.manual_seed(0)
    monitor = one_step(ten_layers(at, lambda x: (x - 5).log()), torch.randn(3, 4))
    origin = monitor.record.steps[0].forward
    assert (origin.module, origin.operation, origin.inputs, origin.healthy) == ("fault", "Log", "negative", f"tanh{at}")
    assert monitor.diagnose()[0].where == "«fault» · Log"


@pytest.mark.parametrize("at", [0, 6, 9])
def test_the_module_whose_gradient_first_leaves_the_finite_numbers_is_named(at):
    torch.manual_seed(0)
    monitor = one_step(ten_layers(at, lambda x: x + (x - x.detach()).abs().sqrt()), torch.randn(3, 4))
    origin = monitor.record.steps[0].backward
    assert (origin.module, origin.operation, origin.after) == ("fault", "Sqrt", f"tanh{at}")
    assert origin.healthy == ("layer" + str(at + 1) if at < 9 else None)
    assert monitor.diagnose()[0].where == "«fault» · Sqrt"


def test_an_operation_outside_every_module_is_named_with_the_module_before_it():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    monitor = one_step(net, torch.randn(3, 4), lambda y: (y - y.detach()).norm(dim=1).add(1).div(0.0).sum())
    origin = monitor.record.steps[0].forward
    assert (origin.module, origin.operation, origin.after) == (None, "Div", "Sequential")
    assert monitor.record.steps[0].modules["1"].output.finite


def test_the_step_and_the_forward_pass_of_a_bad_batch_are_named():
    net, optimizer = nn.Linear(4, 1), None
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with GradientMonitor(net, optimizer) as monitor:
        for index in range(6):
            x = torch.randn(2, 3, 4)
            if index == 3:
                x[1, 0, 0] = math.nan
            loss = net(x[0]).mean() + net(x[1]).mean()
            loss.backward()
            optimizer.step()
            monitor.step(loss)
    finding = monitor.diagnose()[0]
    assert (finding.code, finding.since) == ("bad-batch", 4)
    assert monitor.record.steps[3].forward.batch == 2


def test_a_bad_value_that_reaches_nothing_is_no_finding():
    net = nn.Linear(4, 5)
    mask = torch.tensor([False, False, False, False, True])
    with GradientMonitor(net) as monitor:
        for _ in range(12):
            logits = net(torch.randn(8, 4)).masked_fill(mask, -math.inf)
            loss = nn.functional.cross_entropy(logits, torch.zeros(8, dtype=torch.long))
            net.zero_grad()
            loss.backward()
            torch.optim.SGD(net.parameters(), 0.5).step()
            monitor.step(loss)
    assert not monitor.diagnose() and monitor.diagnose().verdict == "healthy"


def test_a_loop_that_raises_keeps_its_record_and_says_why():
    rnn, h = nn.RNN(2, 4), None
    monitor = GradientMonitor(rnn)

    def loop():
        nonlocal h
        for _ in range(3):
            out, h = rnn(torch.randn(3, 1, 2), h)
            loss = out.sum()
            loss.backward()
            monitor.step(loss)

    with pytest.raises(RuntimeError, match="second time"), monitor:
        loop()
    assert len(monitor.record.steps) == 2
    finding = monitor.diagnose()[0]
    assert finding.code == "kept-graph" and "RNN" in finding.where
    assert "second time" in monitor.report()


def test_gradients_by_lag_are_those_of_the_states():
    torch.manual_seed(0)
    rnn = nn.RNN(3, 5)
    x = torch.randn(12, 2, 3)
    with GradientMonitor(rnn) as monitor:
        loss = rnn(x)[0][-1].square().sum()
        loss.backward()
        monitor.step(loss)
    leaf = x.clone().requires_grad_()
    rnn(leaf)[0][-1].square().sum().backward()
    seen = monitor.record.steps[0].modules["RNN"]
    torch.testing.assert_close(torch.tensor(seen.by_time), leaf.grad.flatten(1).norm(dim=1))
    assert not any(seen.fed[:-1]) and seen.fed[-1] > 0


def test_gradients_of_activations_and_weights_are_those_of_autograd():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    x = torch.randn(5, 4)
    monitor = one_step(net, x)
    hidden = net[0](x)
    hidden.retain_grad()
    weight = net[0].weight.grad.norm().item()
    net[2](net[1](hidden)).square().mean().backward()
    step = monitor.record.steps[0]
    assert step.modules["0"].gradient.norm == pytest.approx(hidden.grad.norm().item(), rel=1e-5)
    assert step.modules["0"].output.norm == pytest.approx(hidden.norm().item(), rel=1e-5)
    assert step.parameters["0.weight"].gradient == pytest.approx(weight, rel=1e-5)


def test_the_scale_of_a_scaler_is_read_off_the_loss():
    net, scaler = nn.Linear(4, 1), torch.amp.GradScaler("cpu", init_scale=2.0**12)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with GradientMonitor(net) as monitor:
        loss = net(torch.randn(3, 4)).square().mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        monitor.step(loss)
    assert monitor.record.steps[0].scale == 2.0**12


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("scale", [None, 2.0**12])
def test_a_loop_that_hands_in_no_loss_is_asked_for_what_enters_its_backward_passes(every, accumulate, scale):
    """So are the loops of trainers that scale and accumulate out of sight."""
    net, losses = nn.Linear(4, 1), []
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale or 1.0, growth_interval=2, enabled=scale is not None)
    scales = []
    with GradientMonitor(net, every=every) as monitor:
        for _ in range(6):
            scales.append(scaler.get_scale())
            parts = [net(torch.randn(3, 4)).square().mean() / accumulate for _ in range(accumulate)]
            for part in parts:
                scaler.scale(part).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            losses.append(sum(parts).item())
            monitor.step()
    assert [step.loss for step in monitor.record.steps] == pytest.approx(losses, rel=1e-6)
    assert [step.scale for step in monitor.record.steps] == scales


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_shares_are_counts_over_size(dtype):
    limits = torch.finfo(dtype)
    values = torch.tensor([0, 0, limits.tiny / 2, limits.tiny, 1, limits.max / 2, limits.max, -limits.max], dtype=dtype)
    seen = measure(values, shares=True)
    assert (seen.zeros, seen.subnormal, seen.near_limit) == (2 / 8, 1 / 8, 3 / 8)
    bad = measure(torch.cat([values, torch.tensor([math.inf, -math.inf, math.nan, 0], dtype=dtype)]), shares=True)
    assert (bad.inf, bad.nan) == (2, 1) and not bad.finite
    assert bad.largest == limits.max and bad.zeros == pytest.approx(3 / 12)


@pytest.mark.parametrize(("size", "expected"), [(1e-30, 2e-30), (1e30, 2e30), (3.0, 6.0), (0.0, 0.0)])
def test_norms_neither_overflow_nor_underflow(size, expected):
    assert norm(torch.full((4,), size)) == pytest.approx(expected, rel=1e-6)


def test_steps_between_the_recorded_keep_their_loss_alone():
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with GradientMonitor(net, optimizer, every=3) as monitor:
        for _ in range(7):
            loss = net(torch.randn(3, 4)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.step(loss)
    assert [bool(step.modules) for step in monitor.record.steps] == [True, False, False, True, False, False, True]
    assert all(step.loss > 0 and step.updates == 1 for step in monitor.record.steps)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1,), "^model: expected an nn.Module, got int"),
        ((torch.jit.script(nn.Linear(2, 2)),), "^model: expected a Python model, got a ScriptModule"),
        ((torch.compile(nn.Linear(2, 2)),), "^model: expected a model that is not compiled"),
        ((nn.Linear(2, 2), "adam"), "^optimizer: expected torch.optim.Optimizer or several, got str"),
        ((nn.Linear(2, 2), None, {"scaler": 1.0}), "^scaler: expected a torch.amp.GradScaler, got float"),
        ((nn.Linear(2, 2), None, {"every": 0}), "^every: expected an integer >= 1, got 0"),
        ((nn.Linear(2, 2), None, {"lang": "de"}), "^lang: expected one of ru, en, got 'de'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    *positional, options = [*arguments, {}] if not isinstance(arguments[-1], dict) else arguments
    with pytest.raises(ValueError, match=message):
        GradientMonitor(*positional, **options)


def test_a_layer_made_anew_in_every_forward_pass_is_found():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 4)

        def forward(self, x):
            return nn.Linear(4, 1)(self.first(x).tanh())

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with GradientMonitor(net, optimizer) as monitor:
        for _ in range(3):
            loss = net(torch.randn(8, 4)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.step(loss)
    assert [(finding.code, finding.where) for finding in monitor.diagnose()] == [("unregistered", "«Net.<Linear>»")]
