"""Truncated BPTT with a carried state on the delay task: what the gradient does not see, the state may remember."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gradflow._validation import require_count, require_positive
from gradflow.initialization import orthogonal_
from gradflow.recurrent import ParallelRNN, SequenceModel
from gradflow.tasks import mean_squared_error

STARTS = ("default", "louder", "orthogonal")
HIDDEN, BATCH = 32, 16


def learn_delays(
    start: str,
    delays: Sequence[int],
    *,
    window: int = 5,
    steps: int,
    seeds: int = 3,
    lr: float = 1e-3,
    carry: bool = True,
    frozen: bool = False,
    seed: int = 0,
) -> Tensor:
    """Train tanh networks to repeat, at every step, the input of ``delay`` steps ago; the inputs are N(0, 1).

    One endless sequence is cut into pieces of ``window`` steps. The state passes from piece to piece, the gradient
    does not; Adam takes a step after every piece. Guessing zero costs 1.

    Args:
        start: ``"default"``, the weights of ``torch.nn.RNN``; ``"louder"``, the same with W times 1.65, which makes
            its spectral radius about 0.95; or ``"orthogonal"``: W is 0.95 times an orthogonal matrix, the input
            weights are N(0, 0.01), so that the states are small and echo for long.
        delays: one network for each, and for each seed.
        window: steps that the gradient sees, K.
        steps: number of pieces.
        seeds: networks per delay.
        lr: learning rate.
        carry: False starts every piece from a state of zeros.
        frozen: train the readout alone.
        seed: of everything random.

    Returns:
        (steps, seeds, delays), the mean squared error of every piece before the step that it causes.

    Raises:
        ValueError: an unknown start, a number that is not positive, or no delays.
    """
    if start not in STARTS:
        raise ValueError(f"start: expected one of {', '.join(STARTS)}, got {start!r}")
    for name, value in (("window", window), ("steps", steps), ("seeds", seeds), *(("delays", d) for d in delays)):
        require_count(name, value)
    g = torch.Generator().manual_seed(seed)
    model = _model(start, require_count("len(delays)", len(delays)) * seeds, g)
    model.cell.requires_grad_(not frozen)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=require_positive("lr", lr), fused=True)
    nets, longest = model.nets, max(delays)
    # Row t of a piece, network n: the input stands at row longest + t of past and piece together.
    rows = longest + torch.arange(window).unsqueeze(1) - torch.tensor(delays).repeat(seeds)
    past, h = torch.zeros(longest, nets, BATCH, 1), torch.zeros(nets, BATCH, HIDDEN)
    losses: list[Tensor] = []
    for _ in range(steps):
        x = torch.randn(window, nets, BATCH, 1, generator=g)
        seen = torch.cat((past, x))
        states = model.cell(x, h)
        output = torch.einsum("tnbh,noh->tnbo", states, model.C) + model.d.unsqueeze(1)
        loss = mean_squared_error(output, seen[rows, torch.arange(nets)])
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
        past = seen[-longest:]
        h = states[-1].detach() if carry else h
        losses.append(loss.detach())
    return torch.stack(losses).view(steps, seeds, len(delays))


def _model(start: str, nets: int, generator: torch.Generator) -> SequenceModel:
    cell = ParallelRNN(nets, 1, HIDDEN, "tanh", generator=generator)
    if start == "louder":
        cell.W.data *= 1.65
    if start == "orthogonal":
        orthogonal_(cell.W, 0.95, generator=generator)
        nn.init.normal_(cell.V, std=0.1, generator=generator)
        nn.init.zeros_(cell.b)
    return SequenceModel(cell, 1, every_step=True, generator=generator)
