"""The monitor changes nothing: gradients, weights, buffers, random numbers are equal to the bit; nothing stays."""

import copy
import io
import sys
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence

from gradflow.monitor import GradientMonitor
from gradflow.monitor.calls import torch_module

Pair = namedtuple("Pair", "left right")


@dataclass
class Output:
    values: Tensor
    extra: dict[str, Tensor]


class Wrap(nn.Module):
    """A model whose forward is any function of its parts."""

    def __init__(self, forward: Callable[..., object], **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self._function = forward

    def forward(self, *args, **kwargs):
        return self._function(self, *args, **kwargs)


def frozen(module: nn.Module) -> nn.Module:
    return module.requires_grad_(False)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 3))


def with_old_weight_norm() -> nn.Module:
    with pytest.warns(FutureWarning):
        return nn.Sequential(nn.utils.weight_norm(nn.Linear(6, 8)), nn.Tanh(), nn.Linear(8, 3))


def packed(self, x: Tensor) -> Tensor:
    sequence = pack_padded_sequence(x, torch.tensor([5, 3, 4, 2]), batch_first=True, enforce_sorted=False)
    return self.head(self.rnn(sequence)[1][0][-1])


def cells(self, x: Tensor) -> Tensor:
    h = c = torch.zeros(len(x), 7)
    for step in x.unbind(1):
        h, c = self.cell(step, (h, c))
    return self.head(h)


def halves() -> nn.Module:
    """Its two outputs come from one operation, as those of cuDNN's recurrent networks do."""
    return Wrap(lambda s, x: s.both(x).chunk(2, -1), both=nn.Linear(6, 8))


FLAT, SEQUENCE, TOKENS, IMAGES = "flat", "sequence", "tokens", "images"


def batch(kind: str) -> Tensor:
    if kind == TOKENS:
        return torch.randint(0, 9, (4, 5))
    return torch.randn({FLAT: (4, 6), SEQUENCE: (4, 5, 6), IMAGES: (4, 3, 8, 8)}[kind])


def attention(self, x: Tensor) -> Tensor:
    return self.head(self.attention(x, x, x, need_weights=False)[0].mean(1))


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(6, 2, 12, dropout=0.1, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


KINDS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "mlp with dropout, batch norm, in-place ReLU": (mlp, FLAT),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
        ),
        IMAGES,
    ),
    "rnn": (
        lambda: Wrap(lambda s, x: s.head(s.rnn(x)[0][:, -1]), rnn=nn.RNN(6, 7, batch_first=True), head=nn.Linear(7, 3)),
        SEQUENCE,
    ),
    "relu rnn, time first": (
        lambda: Wrap(
            lambda s, x: s.head(s.rnn(x.transpose(0, 1))[0][-1]),
            rnn=nn.RNN(6, 7, nonlinearity="relu"),
            head=nn.Linear(7, 3),
        ),
        SEQUENCE,
    ),
    "lstm, stacked, bidirectional, dropout": (
        lambda: Wrap(
            lambda s, x: s.head(s.rnn(x)[0][:, -1]),
            rnn=nn.LSTM(6, 7, 2, batch_first=True, bidirectional=True, dropout=0.2),
            head=nn.Linear(14, 3),
        ),
        SEQUENCE,
    ),
    "lstm with projection": (
        lambda: Wrap(
            lambda s, x: s.head(s.rnn(x)[0][:, -1]),
            rnn=nn.LSTM(6, 7, batch_first=True, proj_size=4),
            head=nn.Linear(4, 3),
        ),
        SEQUENCE,
    ),
    "gru, input by keyword": (
        lambda: Wrap(
            lambda s, x: s.head(s.rnn(input=x)[0][:, -1]), rnn=nn.GRU(6, 7, batch_first=True), head=nn.Linear(7, 3)
        ),
        SEQUENCE,
    ),
    "lstm, packed": (lambda: Wrap(packed, rnn=nn.LSTM(6, 3, batch_first=True), head=nn.Linear(3, 3)), SEQUENCE),
    "lstm cell in a loop": (lambda: Wrap(cells, cell=nn.LSTMCell(6, 7), head=nn.Linear(7, 3)), SEQUENCE),
    "attention": (
        lambda: Wrap(attention, attention=nn.MultiheadAttention(6, 2, batch_first=True), head=nn.Linear(6, 3)),
        SEQUENCE,
    ),
    "transformer": (
        lambda: Wrap(lambda s, x: s.head(s.body(x).mean(1)), body=encoder(), head=nn.Linear(6, 3)),
        SEQUENCE,
    ),
    "embedding": (
        lambda: Wrap(lambda s, x: s.head(s.table(x).mean(1)), table=nn.Embedding(9, 6), head=nn.Linear(6, 3)),
        TOKENS,
    ),
    "sparse embedding": (
        lambda: Wrap(
            lambda s, x: s.head(s.table(x).mean(1)), table=nn.Embedding(9, 6, sparse=True), head=nn.Linear(6, 3)
        ),
        TOKENS,
    ),
    "dict output": (lambda: Wrap(lambda s, x: {"a": s.head(x), "b": [x]}, head=nn.Linear(6, 3)), FLAT),
    "tuple output": (lambda: Wrap(lambda s, x: Pair(s.head(x), None), head=nn.Linear(6, 3)), FLAT),
    "dataclass output": (lambda: Wrap(lambda s, x: Output(s.head(x), {"x": x}), head=nn.Linear(6, 3)), FLAT),
    "an output that the loss does not use": (
        lambda: Wrap(lambda s, x: s.head(s.halves(x)[0]), halves=halves(), head=nn.Linear(4, 3)),
        FLAT,
    ),
    "nested dict and tuple between modules": (
        lambda: Wrap(
            lambda s, x: s.last(pair=s.first({"x": x})),
            first=Wrap(lambda s, d: (s.a(d["x"]), {"b": s.b(d["x"])}), a=nn.Linear(6, 3), b=nn.Linear(6, 3)),
            last=Wrap(lambda s, pair: pair[0] * pair[1]["b"]),
        ),
        FLAT,
    ),
    "reused module": (
        lambda: Wrap(lambda s, x: s.head(s.layer(torch.tanh(s.layer(x)))), layer=nn.Linear(6, 6), head=nn.Linear(6, 3)),
        FLAT,
    ),
    "tied weights": (lambda: tied(), TOKENS),
    "orthogonal": (lambda: nn.Sequential(parametrizations.orthogonal(nn.Linear(6, 6)), nn.Linear(6, 3)), FLAT),
    "weight norm": (lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 6)), nn.Linear(6, 3)), FLAT),
    "old weight norm": (with_old_weight_norm, FLAT),
    "spectral norm": (lambda: nn.Sequential(parametrizations.spectral_norm(nn.Linear(6, 6)), nn.Linear(6, 3)), FLAT),
    "frozen backbone": (lambda: nn.Sequential(frozen(nn.Linear(6, 6)), nn.Tanh(), nn.Linear(6, 3)), FLAT),
    "frozen lstm": (
        lambda: Wrap(
            lambda s, x: s.head(s.rnn(x)[0][:, -1]), rnn=frozen(nn.LSTM(6, 7, batch_first=True)), head=nn.Linear(7, 3)
        ),
        SEQUENCE,
    ),
    "unused parameters": (lambda: Wrap(lambda s, x: s.head(x), head=nn.Linear(6, 3), unused=nn.Linear(6, 3)), FLAT),
    "data parallel": (lambda: nn.DataParallel(nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3))), FLAT),
    "views and in-place changes": (lambda: Wrap(in_place, layer=nn.Linear(6, 6), head=nn.Linear(3, 3)), FLAT),
    "a module that returns its parameter": (
        lambda: Wrap(lambda s, x: s.head(x) * s.scale(), head=nn.Linear(6, 3), scale=Scale()),
        FLAT,
    ),
    "checkpointing": (lambda: Wrap(checkpointed, body=mlp(), head=nn.Linear(3, 3)), FLAT),
    "double": (lambda: mlp().double(), FLAT),
    "bfloat16": (lambda: nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.Linear(6, 3)).bfloat16(), FLAT),
}


class Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.ones(3))

    def forward(self) -> Tensor:
        return self.value


def tied() -> nn.Module:
    model = Wrap(
        lambda s, x: s.head(s.table(x).mean(1))[:, :3], table=nn.Embedding(9, 6), head=nn.Linear(6, 9, bias=False)
    )
    model.head.weight = model.table.weight
    return model


def in_place(self: nn.Module, x: Tensor) -> Tensor:
    y = self.layer(x)
    y.mul_(2)
    left, right = y.chunk(2, 1)
    return self.head(left * 1 + right)


def checkpointed(self: nn.Module, x: Tensor) -> Tensor:
    from torch.utils.checkpoint import checkpoint

    return self.head(checkpoint(self.body, x, use_reentrant=False))


def first_tensor(value: object) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, dict):
        return first_tensor(next(iter(value.values())))
    return first_tensor(value.values if isinstance(value, Output) else value[0])


def train(
    make: Callable[[], nn.Module], kind: str, watch: bool, **options
) -> tuple[list[Tensor], GradientMonitor | None]:
    """Three steps of SGD; every tensor that could differ, and the monitor."""
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    monitor = GradientMonitor(model, optimizer, **options) if watch else None
    seen: list[Tensor] = []

    def loop() -> None:
        for _ in range(3):
            x = batch(kind)
            dtype = next(model.parameters()).dtype
            loss = first_tensor(model(x.to(dtype) if x.is_floating_point() else x)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            seen.extend(p.grad.to_dense().clone() for p in model.parameters() if p.grad is not None)
            nn.utils.clip_grad_norm_(
                [p for p in model.parameters() if not (p.grad is not None and p.grad.is_sparse)], 1.0
            )
            optimizer.step()
            seen.append(loss.detach())
            if monitor is not None:
                monitor.step(loss)

    if monitor is None:
        loop()
    else:
        with monitor:
            loop()
    state = [value for value in model.state_dict().values() if isinstance(value, Tensor)]
    return [*seen, *state, torch.get_rng_state()], monitor


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_weights_buffers_and_random_numbers_are_equal_to_the_bit(kind):
    make, data = KINDS[kind]
    plain, _ = train(make, data, watch=False)
    watched, monitor = train(make, data, watch=True)
    assert len(plain) == len(watched)
    assert all(torch.equal(a, b) for a, b in zip(plain, watched, strict=True))
    assert len(monitor.record.steps) == 3 and monitor.record.steps[-1].modules
    assert any(module.gradient is not None for module in monitor.record.steps[-1].modules.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_and_scaler_are_equal_to_the_bit(dtype):
    def run(watch: bool) -> list[Tensor]:
        torch.manual_seed(0)
        model = mlp()
        optimizer, scaler = torch.optim.Adam(model.parameters(), 1e-2), torch.amp.GradScaler("cpu")
        monitor = GradientMonitor(model, optimizer, scaler=scaler if watch else None)
        if watch:
            monitor.__enter__()
        for _ in range(4):
            with torch.autocast("cpu", dtype=dtype):
                loss = model(torch.randn(5, 6)).float().square().mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            monitor.step(loss)
        if watch:
            monitor.__exit__(None, None, None)
        return [*model.state_dict().values(), torch.get_rng_state(), torch.tensor(scaler.get_scale())]

    assert all(torch.equal(a, b) for a, b in zip(run(False), run(True), strict=True))


def traces_left(model: nn.Module) -> list[object]:
    """Everything a monitor could leave behind: hooks on modules, parameters, of torch, and the patched function."""
    left: list[object] = [
        hook for module in model.modules() for hook in (*module._forward_hooks, *module._backward_hooks)
    ]
    for parameter in model.parameters():
        left += [*(parameter._backward_hooks or ()), *(parameter._post_accumulate_grad_hooks or ())]
    left += [*torch_module._global_forward_hooks, *torch_module._global_forward_pre_hooks]
    optimizers = sys.modules["torch.optim.optimizer"]  # torch.optim deletes the name
    left += [*optimizers._global_optimizer_pre_hooks, *optimizers._global_optimizer_post_hooks]
    if torch.autograd.backward.__module__ != "torch.autograd":
        left.append(torch.autograd.backward)
    return left


POINTS = [
    "inside forward",
    "after forward",
    "inside backward",
    "after backward",
    "inside step",
    "after step",
    "interrupt",
]


class TroubleError(Exception):
    pass


@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_left_and_the_exception_passes_wherever_the_step_ends(point):
    class Raising(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            if now == "inside backward":
                raise TroubleError(now)
            return gradient

    def forward(self, x):
        y = self.scale() * self.first(x)
        if now == "inside forward":
            raise TroubleError(now)
        return self.last(Raising.apply(y))

    class Optimizer(torch.optim.SGD):
        def step(self, closure=None):
            if now == "inside step":
                raise TroubleError(now)
            return super().step(closure)

    now = ""
    model = Wrap(forward, first=nn.LSTM(6, 3), last=nn.Linear(3, 1), scale=Scale())
    model._function = lambda self, x: forward(self, x)
    model.first = nn.Linear(6, 3)
    optimizer = Optimizer(model.parameters(), 0.1)
    monitor = GradientMonitor(model, optimizer)

    def loop() -> None:
        nonlocal now
        for index in range(3):
            now = point if index == 1 else ""
            loss = model(torch.randn(4, 6)).square().mean()
            if now == "after forward":
                raise TroubleError(now)
            optimizer.zero_grad()
            loss.backward()
            if now == "after backward":
                raise TroubleError(now)
            optimizer.step()
            if now == "after step":
                raise TroubleError(now)
            if now == "interrupt":
                raise KeyboardInterrupt
            monitor.step(loss)

    with pytest.raises(KeyboardInterrupt if point == "interrupt" else TroubleError), monitor:
        loop()
    assert traces_left(model) == []
    assert len(monitor.record.steps) == 2 and monitor.record.exception
    assert monitor.diagnose() is not None and monitor.report()
    copy.deepcopy(model.first)
    torch.save(model.state_dict(), io.BytesIO())


def test_copies_and_pickles_work_inside_and_after():
    model = mlp()
    with GradientMonitor(model) as monitor:
        model(torch.randn(4, 6)).sum().backward()
        assert len(copy.deepcopy(model)) == 5
        buffer = io.BytesIO()
        torch.save(model, buffer)
        monitor.step(0.0)
    assert traces_left(model) == []
    assert copy.deepcopy(model)(torch.randn(4, 6)).shape == (4, 3)


def test_two_monitors_inside_one_another_give_everything_back():
    generator, critic = nn.Linear(2, 3), nn.Linear(3, 1)
    with GradientMonitor(generator) as outer, GradientMonitor(critic) as inner:
        critic(generator(torch.randn(4, 2))).mean().backward()
        outer.step(0.0)
        inner.step(0.0)
    assert traces_left(nn.ModuleList([generator, critic])) == []
    assert list(outer.record.kinds) == ["Linear"] and outer.record.reached == {"weight", "bias"} == inner.record.reached


def test_no_tensor_outlives_a_step():
    import gc
    import weakref

    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.LSTM(6, 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    alive = []
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(2):
            x = torch.randn(4, 6)
            output = model(x)[0]
            loss = output.sum()
            loss.backward()
            optimizer.step()
            monitor.step(loss)
            alive += [weakref.ref(tensor) for tensor in (x, output, loss)]
            del x, output, loss
            gc.collect()
            assert not any(reference() is not None for reference in alive)
