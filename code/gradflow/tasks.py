"""Synthetic tasks whose answer needs a memory of known length, sampled for many networks at once.

A sampler returns ``(x, y)``. ``x`` is ``(T, N, B, I)``: time, networks, batch, input features; every network
gets sequences of its own. Sequences are fresh on every call, so a training batch is also an honest test batch.
Tensors live on the generator's device. A loss takes the output of the networks and ``y`` and returns ``(N,)``,
one number per network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gradflow._validation import require_count, require_floats, require_generator, require_sizes

ADDING_BASELINE = 1 / 6
"""Mean squared error of the best constant answer, 1, in the adding problem: the variance of a sum of two U(0, 1)."""

ORDER_BASELINE = math.log(4)
"""Cross-entropy, in nats, of answering 1/4 for each of the four classes of the temporal-order problem."""


def _uniform_integers(low: int, high: int, nets: int, batch: int, generator: Generator) -> Tensor:
    """Independent integers of ``low, …, high - 1``, shape (N, B)."""
    return torch.randint(low, high, (nets, batch), generator=generator, device=generator.device)


def adding_problem(
    length: int, nets: int, batch: int, *, windows: Sequence[tuple[int, int]] | None = None, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Add the two marked numbers of a sequence.

    The first feature of a step is a number from U(0, 1), the second a marker: 1 at two steps, one in each
    half of the sequence, 0 elsewhere. The best constant answer costs ``ADDING_BASELINE`` = 1/6.

    Args:
        length: number of steps T, at least 2.
        nets: number of networks N.
        batch: sequences per network B.
        windows: two ranges of steps, ``(first, end)`` counted from 0, in which the marks stand; without a common
            step. The halves of the sequence unless given.
        generator: source of randomness; its device is the device of the result.

    Returns:
        ``x (T, N, B, 2)`` and ``y (N, B, 1)``.

    Raises:
        ValueError: ``length`` below 2, ``nets`` or ``batch`` below 1, or windows that do not follow one another
            within the sequence.

    Source: Hochreiter, Schmidhuber 1997; in this form Le, Jaitly, Hinton 2015.
    """
    require_count("length", length, minimum=2)
    require_sizes(length=length, nets=nets, batch=batch)
    require_generator(generator)
    numbers = torch.rand((length, nets, batch), generator=generator, device=generator.device)
    markers = torch.zeros_like(numbers)
    windows = ((0, length // 2), (length // 2, length)) if windows is None else tuple(windows)
    ends = [end for window in windows for end in window]
    if len(windows) != 2 or not 0 <= ends[0] < ends[1] <= ends[2] < ends[3] <= length:
        raise ValueError(f"windows: expected two ranges of steps, one after the other in 0…{length}, got {windows}")
    for low, high in windows:
        step = _uniform_integers(low, high, nets, batch, generator)
        markers.scatter_(0, step.unsqueeze(0), 1.0)
    y = (numbers * markers).sum(0)
    return torch.stack((numbers, markers), dim=-1), y.unsqueeze(-1)


def copy_memory(
    delay: int, nets: int, batch: int, *, symbols: int = 8, letters: int = 10, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Repeat the first ``letters`` symbols of a sequence after ``delay`` steps of silence.

    A sequence is K letters, then ``delay`` steps of which the last is the signal to answer and the others are
    blank, then K blanks: T + 2K steps in all. The answer is blank until the signal has passed, then the letters.
    Class 0 is the blank, classes 1…S are the symbols, input S + 1 is the signal.

    Args:
        delay: number of steps T between the last letter and the first answer, at least 1.
        nets: number of networks N.
        batch: sequences per network B.
        symbols: size S of the alphabet, at least 2.
        letters: number K of letters to remember, at least 1.
        generator: source of randomness; its device is the device of the result.

    Returns:
        ``x (T + 2K, N, B, S + 2)``, one-hot, and ``y (T + 2K, N, B)``, int64 classes 0…S.

    Raises:
        ValueError: an argument below its minimum.

    Source: Hochreiter, Schmidhuber 1997; in this form Arjovsky, Shah, Bengio 2016.
    """
    require_count("symbols", symbols, minimum=2)
    require_sizes(delay=delay, nets=nets, batch=batch, symbols=symbols)
    require_sizes(letters=letters, nets=nets, batch=batch, symbols=symbols)
    require_generator(generator)
    shape = (letters, nets, batch)
    message = torch.randint(1, symbols + 1, shape, generator=generator, device=generator.device)
    silence = torch.zeros((delay + letters, nets, batch), dtype=torch.int64, device=generator.device)
    y = torch.cat((silence, message))
    signal = silence.clone()
    signal[delay - 1] = symbols + 1
    x = F.one_hot(torch.cat((message, signal)), symbols + 2)
    return x.to(torch.get_default_dtype()), y


def copy_baseline(delay: int, *, symbols: int = 8, letters: int = 10) -> float:
    """Cross-entropy per step, in nats, of a network without memory: ``K ln S / (T + 2K)``.

    Such a network knows when to be silent, and guesses each of the K letters among S symbols.

    Raises:
        ValueError: an argument below its minimum.

    Source: Arjovsky, Shah, Bengio 2016.
    """
    require_count("delay", delay)
    require_count("symbols", symbols, minimum=2)
    require_count("letters", letters)
    return letters * math.log(symbols) / (delay + 2 * letters)


def temporal_order(length: int, nets: int, batch: int, *, generator: Generator) -> tuple[Tensor, Tensor]:
    """Name the two symbols of a noisy sequence in their order: AA, AB, BA or BB.

    The first stands in ``[T/10, 2T/10]``, the second in ``[4T/10, 5T/10]``, all other steps hold one of four
    distractors; after the second symbol at least half of the sequence is noise. Guessing costs ``ORDER_BASELINE``
    and errs in three cases of four.

    Args:
        length: number of steps T, at least 10.
        nets: number of networks N.
        batch: sequences per network B.
        generator: source of randomness; its device is the device of the result.

    Returns:
        ``x (T, N, B, 6)``, one-hot with A and B first, and ``y (N, B)``, int64 classes 0…3.

    Raises:
        ValueError: ``length`` below 10, or ``nets`` or ``batch`` below 1.

    Source: Hochreiter, Schmidhuber 1997; in this form Pascanu, Mikolov, Bengio 2013.
    """
    require_count("length", length, minimum=10)
    require_sizes(length=length, nets=nets, batch=batch)
    require_generator(generator)
    shape = (length, nets, batch)
    steps = torch.randint(2, 6, shape, generator=generator, device=generator.device)
    y = torch.zeros((nets, batch), dtype=torch.int64, device=generator.device)
    for first, last in ((1, 2), (4, 5)):
        position = _uniform_integers(first * length // 10, last * length // 10 + 1, nets, batch, generator)
        symbol = _uniform_integers(0, 2, nets, batch, generator)
        steps.scatter_(0, position.unsqueeze(0), symbol.unsqueeze(0))
        y = 2 * y + symbol
    return F.one_hot(steps, 6).to(torch.get_default_dtype()), y


def mean_squared_error(output: Tensor, y: Tensor) -> Tensor:
    """Mean squared error of each network: ``(…, N, B, O)`` and the same shape -> ``(N,)``."""
    _require_output(output)
    if require_floats("y", y).shape != output.shape:
        raise ValueError(f"y: expected the shape of output {tuple(output.shape)}, got {tuple(y.shape)}")
    return (output - y).square().movedim(-3, 0).flatten(1).mean(1)


def cross_entropy(output: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of each network in nats: logits ``(…, N, B, C)``, classes ``(…, N, B)`` -> ``(N,)``."""
    _require_classes(output, y)
    # Of a few classes, the logarithm is several times faster over the first dimension than over the last.
    log_p = output.movedim(-1, 0).log_softmax(0).gather(0, y.unsqueeze(0)).squeeze(0)
    return -log_p.movedim(-2, 0).flatten(1).mean(1)


def error_rate(output: Tensor, y: Tensor) -> Tensor:
    """Share of wrong answers of each network: logits ``(…, N, B, C)``, classes ``(…, N, B)`` -> ``(N,)``.

    A network with nan among its logits has no answers, and its share is nan.
    """
    _require_classes(output, y)
    wrong = torch.where(output.isnan().any(-1), torch.nan, (output.argmax(-1) != y).to(output.dtype))
    return wrong.movedim(-2, 0).flatten(1).mean(1)


def _require_output(output: Tensor) -> None:
    """Inf and nan may stand in the output: a network that diverges has to be told by its loss."""
    if require_floats("output", output).ndim < 3 or output.numel() == 0:
        raise ValueError(f"output: expected shape (…, N, B, O), all at least 1, got {tuple(output.shape)}")


def _require_classes(output: Tensor, y: Tensor) -> None:
    _require_output(output)
    if not isinstance(y, Tensor) or y.dtype != torch.int64 or y.is_meta or y.layout != torch.strided:
        raise ValueError(f"y: expected classes, a dense tensor of int64, got {getattr(y, 'dtype', type(y).__name__)}")
    if output.shape[:-1] != y.shape:
        raise ValueError(
            f"y: expected the shape of output without classes {tuple(output.shape[:-1])}, got {tuple(y.shape)}"
        )
    lowest, highest = torch.aminmax(y)
    if lowest < 0 or highest >= output.shape[-1]:
        raise ValueError(f"y: expected classes 0 … {output.shape[-1] - 1}, got {int(lowest)} … {int(highest)}")
