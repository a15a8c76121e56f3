"""Small transformers learn to say a sequence backwards: steps they need, warm-up, and logits that grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gradflow._validation import require_sizes
from gradflow.experiments.transformer.signals import make, spread
from gradflow.recurrent import join
from gradflow.tasks import cross_entropy
from gradflow.training import train
from gradflow.transformer import ParallelBlock, ParallelTransformer


def reversal(length: int, nets: int, batch: int, *, symbols: int = 8, generator: Generator) -> tuple[Tensor, Tensor]:
    """Say a sequence backwards: token t answers with symbol T + 1 - t.

    The answer of a token never depends on the token itself (unless it stands in the middle), so a network without
    attention guesses, at a cost of ``ln symbols`` nats.

    Args:
        length: number of tokens T.
        nets: number of networks N.
        batch: sequences per network B.
        symbols: size S of the alphabet.
        generator: source of randomness.

    Returns:
        ``x (T, N, B, S)``, one-hot, and ``y (T, N, B)``, int64 classes.
    """
    require_sizes(length=length, nets=nets, batch=batch, symbols=symbols)
    said = torch.randint(symbols, (length, nets, batch), generator=generator)
    return torch.nn.functional.one_hot(said, symbols).to(torch.get_default_dtype()), said.flip(0)


RATES = (1e-3, 3e-3, 1e-2)
"""Learning rates that are tried for each way to start."""

SIZE = {"size": 8, "length": 6, "width": 32, "heads": 2}
"""Alphabet, tokens, width and heads of the networks that are trained."""


ROWS: dict[str, tuple[str, float]] = {
    "post-LN": ("post-LN", 1),
    "post-LN с разогревом": ("post-LN", 100),
    **{name: (name, 1) for name in ("pre-LN", "GPT-2", "нули", "LayerScale", "ReZero", "DeepNorm")},
}
"""Rows of the table: way to start, and steps of warm-up."""


class Learned(NamedTuple):
    """One row a learning rate: steps to the goal or -1 ``(rates, nets)``, and the mean loss of the last ten steps."""

    solved_at: Tensor
    loss: Tensor


def learn(
    scheme: str,
    depth: int,
    rates: Sequence[float],
    *,
    warmup: Sequence[float] = (1,),
    steps: int = 200,
    nets: int = 5,
    batch: int = 16,
    goal: float = 0.2,
    seed: int = 0,
) -> Learned:
    """Train networks on ``reversal`` with Adam until the mean loss of ten batches is below the goal.

    The networks of one seed start alike and see the same batches at all rates.

    Args:
        scheme: a key of ``SCHEMES``.
        depth: number of blocks L.
        rates: learning rates.
        warmup: steps of linear growth, one number for all rates or one a rate.
        steps: largest number of steps.
        nets: how many seeds.
        batch: sequences per network and step.
        goal: in nats a token; guessing costs ln 8 = 2.08.
        seed: of weights and data.
    """
    arms = len(rates)
    model, sample = _start(scheme, depth, arms, nets, batch, seed)
    lr, ramps = _by_network(rates, warmup, nets)
    history = train(model, sample, cross_entropy, steps=steps, lr=lr, warmup=ramps, goal=goal, window=10)
    final = torch.stack([curve[curve.isfinite()][-10:].mean() for curve in history.loss.T])  # rows end with the network
    return Learned(history.solved_at.view(arms, nets), final.view(arms, nets))


def output_spread(
    scheme: str,
    depth: int,
    rates: Sequence[float],
    *,
    warmup: Sequence[float],
    steps: int,
    nets: int = 5,
    seed: int = 0,
) -> Tensor:
    """How far the last states of all tokens of 16 sequences lie from their mean after some steps, ``(rates, nets)``.

    Args: as for ``learn``; ``steps`` may be 0.
    """
    model, sample = _start(scheme, depth, len(rates), nets, 16, seed)
    lr, ramps = _by_network(rates, warmup, nets)
    if steps:
        train(model, sample, cross_entropy, steps=steps, lr=lr, warmup=ramps)
    with torch.no_grad():
        h = model.states(sample()[0])[-1]
    result: Tensor = spread(h.flatten(1, 2)).unflatten(0, (len(rates), nets))
    return result


def _start(
    scheme: str, depth: int, arms: int, nets: int, batch: int, seed: int
) -> tuple[ParallelTransformer, Callable[[], tuple[Tensor, Tensor]]]:
    """Groups of the same networks, and a source of batches that are the same for each group."""
    g = Generator().manual_seed(seed)
    model = join([make(scheme, depth, nets, **SIZE, generator=g)] * arms)
    return model, _same_batches(arms, nets, batch, g)


def _same_batches(arms: int, nets: int, batch: int, generator: Generator) -> Callable[[], tuple[Tensor, Tensor]]:
    def sample() -> tuple[Tensor, Tensor]:
        x, y = reversal(SIZE["length"], nets, batch, symbols=SIZE["size"], generator=generator)
        return x.repeat(1, arms, 1, 1), y.repeat(1, arms, 1)

    return sample


def _by_network(rates: Sequence[float], warmup: Sequence[float], nets: int) -> tuple[Tensor, Tensor]:
    """Learning rate and steps of warm-up of each network of all groups."""
    ramps = torch.tensor(warmup, dtype=torch.float32).expand(len(rates))
    return torch.tensor(rates).repeat_interleave(nets), ramps.repeat_interleave(nets)


class Logits(NamedTuple):
    """After training, ``(rates, nets)``: the largest logit, by size, of all blocks, and the mean loss of 20 batches."""

    largest: Tensor
    loss: Tensor


def largest_logits(
    rates: Sequence[float], *, qk_norm: bool = False, logit_cap: float | None = None, steps: int = 100, nets: int = 5
) -> Logits:
    """Train networks of two pre-normalized blocks on ``reversal`` and look at their largest attention logit.

    Args:
        rates: learning rates; the networks of one seed start alike and see the same batches at all of them.
        qk_norm, logit_cap: of the blocks.
        steps: of Adam, at least 20.
        nets: how many seeds.
    """
    g = Generator().manual_seed(0)
    start = ParallelTransformer(
        nets, SIZE["size"], SIZE["size"], length=SIZE["length"], width=SIZE["width"], heads=SIZE["heads"], depth=2,
        qk_norm=qk_norm, logit_cap=logit_cap, generator=g,
    )  # fmt: skip
    arms = len(rates)
    model, sample = join([start] * arms), _same_batches(arms, nets, 16, g)
    history = train(model, sample, cross_entropy, steps=steps, lr=torch.tensor(rates).repeat_interleave(nets))
    x, _ = sample()
    with torch.no_grad():
        states = model.states(x)
        largest = torch.zeros(arms * nets)
        for block, h in zip(model.blocks, states, strict=False):
            assert isinstance(block, ParallelBlock)
            largest = torch.maximum(largest, block.logits(h).abs().flatten(1).amax(1))
    loss = history.loss[-20:].mean(0)
    return Logits(largest.unflatten(0, (arms, nets)), loss.unflatten(0, (arms, nets)))


def skipping(scheme: str, depth: int = 4, rate: float = 3e-3, steps: int = 120, nets: int = 5) -> Tensor:
    """What a trained network loses when block l is left out: the loss without it less the loss, ``(depth, nets)``.

    Args:
        scheme: a key of ``SCHEMES``.
        depth: number of blocks L.
        rate: learning rate.
        steps: of training on ``reversal``, with a warm-up over the first third.
        nets: how many seeds.
    """
    model, sample = _start(scheme, depth, 1, nets, 16, 0)
    train(model, sample, cross_entropy, steps=steps, lr=rate, warmup=steps / 3)
    x, y = sample()
    blocks = list(model.blocks)
    with torch.no_grad():
        whole = cross_entropy(model(x), y)
        losses = []
        for left_out in range(depth):
            model.blocks = torch.nn.ModuleList(block for i, block in enumerate(blocks) if i != left_out)
            losses.append(cross_entropy(model(x), y) - whole)
    return torch.stack(losses)
