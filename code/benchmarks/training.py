"""One training step of N = 12 networks: the parallel cells against what PyTorch offers.

    MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_MMAP_THRESHOLD_=33554432 python code/benchmarks/training.py [--repeats 9]

(The two variables keep freed memory for the next step, as in the kernels of the book; they serve all methods.)

Forward, backward and an SGD step of cells with H = 16, 32, 64 hidden units on 20 sequences of T = 50 and 100 steps:
ours, a loop over ``torch.nn`` modules, and ``torch.func.vmap``. PyTorch has no batching rule for its recurrent modules,
so vmap runs over ``RNNCell`` or ``GRUCell`` step by step, with a fallback that is slow; for ``LSTMCell`` it refuses.
All methods share weights and data. Repeats are interleaved and medians of CPU time on one thread are printed, so that
other work on the machine hits all of them alike. ``difference`` is the largest difference between the gradients of ours
and of the loop, relative to the largest element of the parameter's gradient.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from gradflow.recurrent import ParallelGRU, ParallelLSTM, ParallelRNN

NETS, BATCH, INPUTS, RATE = 12, 20, 2, 1e-3
KINDS = {
    "RNN": (ParallelRNN, nn.RNN, nn.RNNCell),
    "GRU": (ParallelGRU, nn.GRU, nn.GRUCell),
    "LSTM": (ParallelLSTM, nn.LSTM, None),
}
GOALS = {("RNN", 16): 5.0, ("RNN", 32): 5.0, ("GRU", 16): 2.5, ("GRU", 32): 2.5}


def twins(cell: nn.Module, module: type[nn.Module], hidden: int) -> list[nn.Module]:
    """The networks of a parallel cell as modules of torch.nn with the same weights."""
    names = dict(cell.named_parameters())
    if isinstance(cell, ParallelRNN):
        names = {"weight_hh_l0": cell.W, "weight_ih_l0": cell.V, "bias_ih_l0": cell.b}
    networks = []
    for net in range(NETS):
        network = module(INPUTS, hidden)
        nn.init.zeros_(network.get_parameter("bias_hh_l0"))
        with torch.no_grad():
            for name, parameter in names.items():
                getattr(network, name).copy_(parameter[net])
        networks.append(network)
    return networks


def step(parameters: list[Tensor], loss: Tensor) -> list[Tensor]:
    """Backward and one SGD step; returns the gradients."""
    # PyTorch's RNN has a second bias that ours does not: it gets a gradient and a step all the same.
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        torch._foreach_add_(parameters, gradients, alpha=-RATE)
    return list(gradients)


def methods(kind: str, hidden: int, length: int) -> dict[str, Callable[[], list[Tensor]]]:
    """One training step by each method, from equal weights; each call returns gradients stacked by network."""
    ours_type, torch_type, cell_type = KINDS[kind]
    g = torch.Generator().manual_seed(0)
    cell = ours_type(NETS, INPUTS, hidden, generator=g)
    x = torch.rand(length, NETS, BATCH, INPUTS, generator=g)
    x_n = [x[:, n].contiguous() for n in range(NETS)]
    loop = twins(cell, torch_type, hidden)
    stacked = {
        name.removesuffix("_l0"): torch.stack(
            [network.get_parameter(name).detach() for network in loop]
        ).requires_grad_()
        for name, _ in loop[0].named_parameters()
    }
    skeleton = nn.Identity() if cell_type is None else cell_type(INPUTS, hidden, device="meta")

    def ours() -> list[Tensor]:
        return step(list(cell.parameters()), cell.last(x).square().sum())

    def one_by_one() -> list[Tensor]:
        rows = []
        for network, x in zip(loop, x_n, strict=True):
            _, state = network(x)
            h = state[0] if kind == "LSTM" else state
            rows.append(step(list(network.parameters()), h.square().sum()))
        return [torch.stack(row) for row in zip(*rows, strict=True)]

    def with_vmap() -> list[Tensor]:
        def last(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
            h = x.new_zeros(BATCH, hidden)
            for x_t in x.unbind(0):
                h = functional_call(skeleton, parameters, (x_t, h))
            return h

        return step(list(stacked.values()), vmap(last, in_dims=(0, 1))(stacked, x).square().sum())

    methods = {"ours": ours, "loop": one_by_one}
    return methods if kind == "LSTM" else methods | {"vmap": with_vmap}


def difference(kind: str, ours: list[Tensor], loop: list[Tensor]) -> float:
    """Largest difference of gradients relative to the largest element of the parameter's gradient."""
    if kind == "RNN":  # ours: W, V, b; PyTorch: weight_ih, weight_hh, bias_ih, bias_hh
        loop = [loop[1], loop[0], loop[2]]
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, loop, strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="There is a performance drop")  # vmap's fallback, said above
    print(
        f"{'cell':4} {'H':>3} {'T':>4} {'ours ms':>9} {'loop ms':>9} {'vmap ms':>9} "
        f"{'loop/ours':>10} {'goal':>5} {'difference':>11}"
    )
    for kind in KINDS:
        for hidden in (16, 32, 64):
            for length in (50, 100):
                runs = methods(kind, hidden, length)
                gap = difference(kind, runs["ours"](), runs["loop"]())
                seconds: dict[str, list[float]] = {name: [] for name in runs}
                for _ in range(repeats):
                    for name, run in runs.items():
                        start = time.process_time()
                        run()
                        seconds[name].append(time.process_time() - start)
                ms = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
                vmapped = f"{ms['vmap']:9.1f}" if "vmap" in ms else f"{'—':>9}"
                goal = GOALS.get((kind, hidden), 1.0)
                print(
                    f"{kind:4} {hidden:3} {length:4} {ms['ours']:9.1f} {ms['loop']:9.1f} {vmapped} "
                    f"{ms['loop'] / ms['ours']:10.1f} {goal:5.1f} {gap:11.1e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
