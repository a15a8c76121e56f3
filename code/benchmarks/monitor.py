"""What the monitor costs: one training step with it over a plain one, and what others cost on the same step.

    OMP_NUM_THREADS=1 python code/benchmarks/monitor.py [--rounds 15]

Networks: ten layers of width 512 with ReLU on 256 samples; a transformer of four blocks of width 256 on 16 sequences of
64 tokens. Each step is forward, backward, Adam. The ways take turns within a round, so that a load on the machine meets
all of them; printed is the median over the rounds of CPU time over the plain step's of the same round, with the goal.
``histograms`` is what ``wandb.watch(log="all")`` does: a histogram of 64 bins of every weight and every gradient.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from statistics import median

import torch
from torch import Tensor, nn

from gradflow.monitor import GradientMonitor

GOALS = {"norms": 1.15, "all shares": 1.5, "every 20th step": 1.03}


def mlp() -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    """Ten layers of width 512, and their loss on 256 samples."""
    layers = [module for _ in range(10) for module in (nn.Linear(512, 512), nn.ReLU())]
    x = torch.randn(256, 512)
    return nn.Sequential(*layers), lambda model: (model(x) - x).square().mean()


def transformer() -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    """Four blocks of width 256, and their loss on 16 sequences of 64 tokens."""
    layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True, norm_first=True)
    x = torch.randn(16, 64, 256)
    return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False), lambda model: (model(x) - x).square().mean()


@contextmanager
def histograms(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """A histogram of every weight and gradient, as the gradient arrives."""

    def look(parameter: Tensor) -> None:
        assert parameter.grad is not None
        for values in (parameter.grad, parameter.detach()):
            low, high = torch.aminmax(values)
            torch.histc(values, 64, float(low), float(high))

    handles = [parameter.register_post_accumulate_grad_hook(look) for parameter in model.parameters()]
    yield
    for handle in handles:
        handle.remove()


WAYS: dict[str, Callable[[nn.Module, torch.optim.Optimizer], object]] = {
    "plain": lambda model, optimizer: nullcontext(),
    "norms": lambda model, optimizer: GradientMonitor(model, optimizer, shares=False),
    "all shares": lambda model, optimizer: GradientMonitor(model, optimizer),
    "every 20th step": lambda model, optimizer: GradientMonitor(model, optimizer, every=20),
    "detect_anomaly": lambda model, optimizer: torch.autograd.set_detect_anomaly(True),
    "histograms": histograms,
}


def seconds(way: str, make: Callable[[], tuple[nn.Module, Callable[[nn.Module], Tensor]]], steps: int) -> float:
    """CPU time of a step in one way, after a first that is not counted unless it is the twentieth that matters."""
    torch.manual_seed(0)
    model, loss_of = make()
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    with WAYS[way](model, optimizer) as watch:  # type: ignore[attr-defined]
        start = 0.0
        for index in range(steps + 1):
            if index == 1:
                start = time.process_time()
            loss = loss_of(model)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if isinstance(watch, GradientMonitor):
                watch.step(loss)
        return (time.process_time() - start) / steps


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {rounds} rounds, CPU time over the plain step\n")
    print(f"{'':17}{'goal':>7}{'mlp 10 x 512':>15}{'transformer x 4':>18}")
    ratios: dict[tuple[str, str], list[float]] = {}
    plain: dict[str, list[float]] = {}
    for _ in range(rounds):
        for make in (mlp, transformer):
            base = seconds("plain", make, 3)
            plain.setdefault(make.__name__, []).append(base)
            for way in list(WAYS)[1:]:
                steps = 20 if way == "every 20th step" else 3
                base_now = seconds("plain", make, steps) if steps > 3 else base
                ratios.setdefault((way, make.__name__), []).append(seconds(way, make, steps) / base_now)
    print(f"{'plain step, ms':17}{'':>7}{1e3 * median(plain['mlp']):>15.1f}{1e3 * median(plain['transformer']):>18.1f}")
    for way in list(WAYS)[1:]:
        goal = f"{GOALS[way]:.2f}" if way in GOALS else "—"
        print(f"{way:17}{goal:>7}{median(ratios[way, 'mlp']):>15.2f}{median(ratios[way, 'transformer']):>18.2f}")


if __name__ == "__main__":
    main()
