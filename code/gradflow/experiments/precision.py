"""Half precision: error signals that underflow, a loss scale at work, and updates that round away."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from gradflow._global_seed import global_seed
from gradflow._validation import require_count, require_positive
from gradflow.book.figures import BLUE, GREEN, RED, Chart
from gradflow.book.moving import Choice, Slider
from gradflow.networks import gaussian_weights

HALF = (torch.float16, torch.bfloat16)


def error_signals(
    gain: float,
    dtype: torch.dtype,
    scale: float = 1.0,
    depth: int = 40,
    width: int = 128,
    batch: int = 32,
    seed: int = 0,
) -> Tensor:
    """Error signals of a deep tanh network whose both passes run in ``dtype``, for the loss multiplied by ``scale``.

    The loss is linear in the output, with a random gradient of about ``1 / (batch * width)``.

    Args:
        gain: weights are N(0, gain²/width).
        dtype: a floating-point format that torch multiplies in.
        scale: the loss scale S.
        depth: number of layers L.
        width: D.
        batch: B.
        seed: of weights, inputs and the gradient of the loss.

    Returns:
        ``∂L/∂a_l`` of all layers, divided by S again, ``(L, B, D)`` in float64.
    """
    g = Generator().manual_seed(seed)
    weights = gaussian_weights(depth, width, gain, generator=g).to(dtype)
    x, direction = torch.randn(2, require_count("batch", batch), width, generator=g)
    states = [x.to(dtype)]
    for W in weights:
        states.append(torch.tanh(states[-1] @ W.T))
    delta = (direction * (require_positive("scale", scale) / (batch * width))).to(dtype)
    signals = []
    for W, h in zip(weights.flip(0), states[:0:-1], strict=True):
        signals.append(delta * (1 - h * h))
        delta = signals[-1] @ W
    return torch.stack(signals[::-1]).double() / scale


class ScaleLog(NamedTuple):
    """A training under ``GradScaler``: loss ``(steps,)``, loss scale before each step, and which steps were skipped."""

    loss: Tensor
    scale: Tensor
    skipped: Tensor


def train_with_scaler(steps: int = 240, growth_interval: int = 30, seed: int = 0) -> ScaleLog:
    """Train a small perceptron in float16 autocast under ``torch.amp.GradScaler``, on the CPU.

    Args:
        steps: optimizer steps.
        growth_interval: steps without overflow after which the scale is doubled (2000 by default in PyTorch).
        seed: of weights and data.
    """
    with global_seed(seed):
        net = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 1))
        x = torch.randn(256, 16)
    y = x[:, :1] * x[:, 1:2]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=growth_interval)
    losses, scales, skipped = [], [], []
    for _ in range(require_count("steps", steps)):
        with torch.autocast("cpu", dtype=torch.float16):
            output = net(x)
        loss = (output.float() - y).square().mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scales.append(scaler.get_scale())
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.detach())
        skipped.append(scaler.get_scale() < scales[-1])
    return ScaleLog(torch.stack(losses), torch.tensor(scales), torch.tensor(skipped))


def stochastic_round(x: Tensor, *, generator: Generator) -> Tensor:
    """Round float32 to one of the two neighbours in bfloat16, to the nearer one with the greater chance.

    The mean of the result is ``x``: a bfloat16 is a float32 whose last 16 bits are zero, so a random number of
    16 bits is added to the bits of ``x`` before they are cut off.

    Args:
        x: finite float32 of any shape, smaller than the largest bfloat16.
        generator: source of randomness.

    Source: Gupta et al. 2015 (stochastic rounding), Zamirai et al. 2020 (in bfloat16 training).
    """
    if x.dtype != torch.float32 or not bool(x.isfinite().all()):
        raise ValueError(f"x: expected finite float32, got {x.dtype}")
    noise = torch.randint(0, 2**16, x.shape, generator=generator, dtype=torch.int32)
    bits = (x.view(torch.int32) + noise) & -(2**16)
    return bits.view(torch.float32).to(torch.bfloat16)


def _nearest(weights: Tensor, update: Tensor, state: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    return (weights.float() + update).to(torch.bfloat16), state


def _stochastic(weights: Tensor, update: Tensor, state: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    return stochastic_round(weights.float() + update, generator=generator), state


def _kahan(weights: Tensor, update: Tensor, state: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """``state`` holds what earlier updates lost, in bfloat16 too."""
    wanted = update + state.float()
    moved = (weights.float() + wanted).to(torch.bfloat16)
    return moved, (wanted - (moved.float() - weights.float())).to(torch.bfloat16)


def _master(weights: Tensor, update: Tensor, state: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """``state`` is the difference of a float32 copy from the weights."""
    copy = weights.float() + state + update
    return copy.to(torch.bfloat16), copy - copy.to(torch.bfloat16).float()


STORAGES: dict[str, Callable[[Tensor, Tensor, Tensor, Generator], tuple[Tensor, Tensor]]] = {
    "к ближайшему": _nearest,
    "стохастически": _stochastic,
    "по Кэхэну": _kahan,
    "копия в float32": _master,
}
"""Ways to add an update to weights that are kept in bfloat16."""


class Rounded(NamedTuple):
    """Loss ``(steps, nets)`` and the share of updates that left their weight where it was ``(steps, nets)``."""

    loss: Tensor
    stuck: Tensor


def train_rounded(storage: str, nets: int = 5, steps: int = 1500, lr: float = 2e-4, seed: int = 0) -> Rounded:
    """Train small perceptrons whose weights are kept in bfloat16; everything else is float32.

    Only the addition of the update differs between the storages: weights, data, gradients' precision and Adam's
    moments do not. The task is the product of two inputs; 64 hidden tanh units; the whole data in every step.

    Args:
        storage: a key of ``STORAGES``.
        nets: how many networks N, each with weights and data of its own.
        steps: of Adam.
        lr: its step length.
        seed: of everything.
    """
    if storage not in STORAGES:
        raise ValueError(f"storage: expected one of {', '.join(STORAGES)}, got {storage!r}")
    g = Generator().manual_seed(seed)
    x = torch.randn(require_count("nets", nets), 256, 8, generator=g)
    y = x[..., :1] * x[..., 1:2]
    shapes = [(8, 64), (1, 64), (64, 1), (1, 1)]
    fan_in = [8, 8, 64, 64]
    start = [
        torch.empty(nets, *shape).uniform_(-(n**-0.5), n**-0.5, generator=g)
        for shape, n in zip(shapes, fan_in, strict=True)
    ]
    weights = torch.cat([p.flatten(1) for p in start], dim=1).to(torch.bfloat16)
    sizes = [math.prod(shape) for shape in shapes]
    state, mean, square = (torch.zeros(weights.shape) for _ in range(3))
    losses, stuck = [], []
    for step in range(1, require_count("steps", steps) + 1):
        leaf = weights.float().requires_grad_()
        W1, b1, W2, b2 = (p.view(nets, *s) for p, s in zip(leaf.split(sizes, dim=1), shapes, strict=True))
        loss = (torch.tanh(x @ W1 + b1) @ W2 + b2 - y).square().mean((1, 2))
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        mean.lerp_(gradient, 0.1)
        square.lerp_(gradient.square(), 0.001)
        update = -lr * mean / (1 - 0.9**step) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
        moved, state = STORAGES[storage](weights, update, state, g)
        losses.append(loss.detach())
        stuck.append((moved == weights).double().mean(1))
        weights = moved
    return Rounded(torch.stack(losses), torch.stack(stuck))


_BINS = 8  # to a binary order
_FORMATS = {  # its name; log2 of the smallest number, of the smallest normal one, and of what overflows
    "float16": (-24, -14, 16.0),
    "bfloat16": (-133, -126, 128.0),
    "float8_e5m2": (-16, -14, math.log2(61440)),
    "float8_e4m3fn": (-9, -6, math.log2(464)),
}


def order_histogram(signals: Tensor) -> list[int]:
    """How many values lie in each eighth of a binary order from 2⁻⁶⁴ to 2⁸; smaller ones count for the first eighth."""
    orders = (signals.abs().log2() * _BINS).floor().clamp(min=-64 * _BINS).long() + 64 * _BINS
    return torch.bincount(orders.flatten(), minlength=72 * _BINS).tolist()


def moving_chart(signals: Mapping[float, Tensor]) -> Chart:
    """The binary orders of error signals under a loss scale, and the ends of a format.

    Args:
        signals: by gain, as exactly as they are known; from :func:`error_signals`.
    """
    counts = {f"{gain:g}": order_histogram(values) for gain, values in signals.items()}
    first = next(iter(counts))
    floor, normal, ceiling = _FORMATS["float16"]
    orders = torch.tensor(counts[first]).reshape(-1, _BINS).sum(1) / sum(counts[first])
    chart = Chart(titles=["Что видит формат"])
    edges = torch.arange(-64, 9).repeat_interleave(2)
    heights = torch.cat([torch.zeros(1), (100 * orders).repeat_interleave(2), torch.zeros(1)])
    chart.ax.plot(edges, heights, color=BLUE, linestyle="-", linewidth=1.5, label="сигналы", gid="curve-signals")
    for name, end, color, dash, words in (
        ("zero", floor - 1, RED, "--", "левее — ноль"),
        ("normal", normal, GREEN, ":", "левее — без точности"),
        ("overflow", ceiling, RED, "-.", "правее — переполнение"),
    ):
        chart.ax.plot([end, end], [0, 17], color=color, linestyle=dash, label=words, gid=f"curve-{name}")
    chart.ax.set(xlabel=r"двоичный порядок $\log_2|S\delta|$", ylabel="доля значений, %", xlim=(-64, 48), ylim=(0, 30))
    chart.ax.legend(loc="upper left")
    chart.moves(
        "formats",
        data={"counts": counts, "formats": _FORMATS},
        format=Choice("формат", {name: name for name in _FORMATS}, "float16"),
        power=Slider("множитель потери, степень 2", 0, 40, 1, 0),
        gain=Choice("масштаб весов сети", {gain: gain.replace(".", ",") for gain in counts}, first),
    )
    return chart
