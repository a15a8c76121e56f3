"""Train many networks at once, each with its own learning rate, clipping, early stop and fate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gradflow._validation import (
    ask,
    require_callable,
    require_choice,
    require_count,
    require_finite,
    require_floats,
    require_module,
    require_number,
    require_positive,
    require_sequence,
    require_sizes,
    require_tensor,
)

Sample = Callable[[], tuple[Tensor, Tensor]]
Measure = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class History:
    """What happened to each of N networks; rows of ``loss`` and ``grad_norm`` are steps.

    A network ends when it has solved the task, when it has diverged, or with the last step. After its end its rows
    hold nan.
    """

    loss: Tensor
    """(steps, N): loss on the batch of the step, before the update."""
    grad_norm: Tensor
    """(steps, N): 2-norm of the gradient before clipping."""
    solved_at: Tensor
    """(N,): number of steps after which the mean loss of the last ``window`` batches was below the goal, or -1."""
    diverged_at: Tensor
    """(N,): the first step, from 1, with inf or nan in the loss or the gradient, or -1."""

    @property
    def solved(self) -> Tensor:
        """(N,), bool."""
        return self.solved_at > 0

    @property
    def diverged(self) -> Tensor:
        """(N,), bool."""
        return self.diverged_at > 0

    def __getitem__(self, nets: slice) -> History:
        """The history of some of the networks, as ``history[:5]``."""
        return History(self.loss[:, nets], self.grad_norm[:, nets], self.solved_at[nets], self.diverged_at[nets])

    def curves(self, every: int) -> tuple[Tensor, Tensor]:
        """Mean loss of each block of ``every`` steps, for a figure with a band over the networks.

        A network that has solved the task keeps its last full block, a diverged one is nan from its last block on.

        Args:
            every: length of a block in steps, at most the number of steps.

        Returns:
            Step numbers at the blocks' ends ``(blocks,)`` and losses ``(N, blocks)``.
        """
        blocks = self.loss.shape[0] // require_count("every", every)
        if blocks == 0:
            raise ValueError(f"every: expected at most {self.loss.shape[0]} steps, got {every}")
        means = self.loss[: blocks * every].unflatten(0, (blocks, every)).mean(1)
        for block in range(1, blocks):
            ended = means[block].isnan() & self.solved
            means[block] = torch.where(ended, means[block - 1], means[block])
        return every * torch.arange(1, blocks + 1), means.T


def train(
    model: nn.Module,
    sample: Sample,
    measure: Measure,
    *,
    steps: int,
    lr: float | Tensor,
    clip: float | Tensor = math.inf,
    optimizer: str = "adam",
    warmup: float | Tensor = 1,
    beta2: float = 0.999,
    eps: float = 1e-8,
    skip: float | Tensor = math.inf,
    goal: float | None = None,
    window: int = 50,
) -> History:
    """Train the N networks of ``model`` in place, one step of each per batch.

    A network whose loss or gradient is no longer finite is recorded as diverged and left as it was before that
    step; one that has reached the goal is left as it is; the others go on either way, and an ended network costs
    no more time.

    Args:
        model: networks with parameters ``(N, …)``, e.g. ``gradflow.recurrent.SequenceModel``.
        sample: returns a fresh batch ``x (T, N, B, I)`` and its answers ``y``.
        measure: takes the output ``(…, N, B, O)`` and ``y``, returns the loss of each network ``(N,)``.
        steps: largest number of steps.
        lr: learning rate of all networks or of each ``(N,)``.
        clip: threshold for the 2-norm of a network's whole gradient, of all networks or of each ``(N,)``;
            ``inf`` clips nothing.
        optimizer: ``"adam"`` with PyTorch's constants, or ``"sgd"``.
        warmup: number of steps, of all networks or of each ``(N,)``, over which the learning rate grows linearly to
            its value; 1 for none.
        beta2, eps: constants of Adam.
        skip: a batch whose gradient's 2-norm is above, of all networks or of each ``(N,)``, leaves the weights and
            the moments of Adam as they are; ``inf`` skips nothing.
        goal: a network is solved when its mean loss over ``window`` batches falls below; None trains all to the end.
        window: number of batches in that mean.

    Returns:
        A ``History``.

    Raises:
        ValueError: a size, a learning rate, a warm-up, a threshold or a goal that is not positive, ``beta2`` or
            ``eps`` outside (0, 1), an unknown optimizer, a goal whose window is longer than the training, parameters
            that stack different numbers of networks, or data that are empty, hold inf or nan, or are for another
            number of networks.
    """
    require_count("window", window)
    require_choice("optimizer", optimizer, ("adam", "sgd"))
    if goal is not None:
        require_positive("goal", goal)
        if window > require_count("steps", steps):
            raise ValueError(f"window: expected at most {steps} steps, the length of the training, got {window}")
    require_callable("sample", sample), require_callable("measure", measure)
    stack = _Stack(model)
    n, device = stack.nets, stack.weights.device
    require_sizes(steps=steps, networks=n)
    rates = _per_network("lr", lr, stack.weights)
    require_finite("lr", rates)
    thresholds, skips = _per_network("clip", clip, stack.weights), _per_network("skip", skip, stack.weights)
    ramps = _per_network("warmup", warmup, stack.weights)
    for name, value in (("beta2", beta2), ("eps", eps)):
        if require_positive(name, value) >= 1:
            raise ValueError(f"{name}: expected a number between 0 and 1, got {value!r}")
    rule = _Adam(stack.weights, beta2, eps) if optimizer == "adam" else _SGD()

    loss = torch.full((steps, n), math.nan, dtype=stack.weights.dtype, device=device)
    grad_norm = torch.full_like(loss, math.nan)
    solved_at = torch.full((n,), -1, device=device)
    diverged_at = torch.full((n,), -1, device=device)
    for step in range(steps):
        x, y = _batch(sample, n)
        active = stack.active
        x = x if active.numel() == n else x.index_select(1, active)
        output = ask("model", functional_call, model, stack.parameters, (x,))
        losses = _measured(measure, _spread(output, active, n), y, n).index_select(0, active)
        gradient = torch.cat([g.flatten(1) for g in torch.autograd.grad(losses.sum(), stack.leaves)], dim=1)
        losses = losses.detach()
        finite = losses.isfinite() & gradient.abs().amax(1).isfinite()

        loss[step, active] = losses
        if not finite.all():
            diverged_at[active[~finite]] = step + 1
            gradient[~finite] = 0.0
        norms = clip_grad_norm_([gradient], thresholds[active])
        grad_norm[step, active] = torch.where(finite, norms, math.nan)
        taken = finite & (norms <= skips[active])
        pace = rates[active] * ((step + 1) / ramps[active]).clamp(max=1.0)
        moved = torch.where(taken, pace, 0.0).unsqueeze(1) * rule.direction(gradient, taken | ~finite)
        stack.weights -= moved
        if goal is not None and step + 1 >= window:
            solved = loss[step + 1 - window : step + 1, active].mean(0) < goal
            solved_at[active[solved]] = step + 1
            finite &= ~solved
        if not finite.all():
            stack.keep(finite)
            rule.keep(finite)
        if stack.active.numel() == 0:
            break
    stack.restore(model)
    return History(loss[: step + 1], grad_norm[: step + 1], solved_at, diverged_at)


def evaluate(model: nn.Module, sample: Sample, measure: Measure) -> Tensor:
    """``measure`` of each network on one fresh batch, without gradients: ``(N,)``."""
    require_module("model", model), require_callable("sample", sample), require_callable("measure", measure)
    x, y = _batch(sample)
    with torch.no_grad():
        return _measured(measure, ask("model", model, x), y)


@torch.no_grad()
def clip_grad_norm_(grads: Sequence[Tensor], max_norm: float | Tensor) -> Tensor:
    """Scale the gradient of each of N networks in place so that its 2-norm is at most its threshold.

    The twin of ``torch.nn.utils.clip_grad_norm_`` for stacked networks, with one difference: each gradient is
    first divided by its largest element, so a norm that overflows does not zero the gradient.

    Args:
        grads: finite gradients ``(N, …)``; those of one network are one long vector.
        max_norm: threshold of all networks or of each ``(N,)``; ``inf`` clips nothing.

    Returns:
        The norms before clipping, ``(N,)``; inf where the norm itself is beyond the floating-point range.

    Raises:
        ValueError: no gradients, different N, inf or nan in a gradient, or a threshold that is not positive.

    Source: Pascanu, Mikolov, Bengio 2013, algorithm 1.
    """
    require_sequence("grads", grads, Tensor)
    if len({g.shape[:1] for g in grads}) != 1 or any(g.ndim == 0 or g.numel() == 0 for g in grads):
        raise ValueError(f"grads: expected gradients (N, …) of one N, got shapes {[tuple(g.shape) for g in grads]}")
    for number, g in enumerate(grads):
        require_tensor(f"grads[{number}]", g)
    threshold = _per_network("max_norm", max_norm, grads[0])
    largest = torch.stack([g.flatten(1).abs().amax(1) for g in grads]).amax(0)
    largest = largest.clamp_min(torch.finfo(largest.dtype).tiny)
    squares = [(g.flatten(1) / largest.unsqueeze(1)).square().sum(1) for g in grads]
    relative_norm = torch.stack(squares).sum(0).sqrt()
    clipped = largest * relative_norm > threshold
    # Beside a huge norm the factor threshold / norm would be subnormal, its digits gone; a power of two costs none.
    shift = (torch.frexp(largest).mantissa / largest).clamp(torch.finfo(largest.dtype).tiny, 1.0)
    scale = threshold / (largest * shift) / relative_norm
    for factor in (torch.where(clipped, shift, 1.0), torch.where(clipped, scale, 1.0)):
        for g in grads:
            g.mul_(factor.view(-1, *[1] * (g.ndim - 1)))
    return largest * relative_norm


class _Stack:
    """The parameters of the networks still in training as one matrix, a row per network.

    Optimiser and clipping then are a few operations on that matrix. ``leaves`` share its memory, so autograd
    sees ordinary parameters, and an update of the matrix is an update of the networks.
    """

    def __init__(self, model: nn.Module) -> None:
        named = dict(require_module("model", model).named_parameters())
        counts = {name: p.shape[0] if p.ndim else 0 for name, p in named.items()}
        if len(set(counts.values())) != 1 or len({(p.dtype, p.device) for p in named.values()}) != 1:
            raise ValueError(f"model: expected parameters (N, …) of one N, one type and one device, got {counts}")
        for name, p in named.items():
            require_tensor(f"model: {name}", p)
        self.shapes = {name: p.shape[1:] for name, p in named.items()}
        self.final = torch.cat([p.detach().flatten(1) for p in named.values()], dim=1)
        self.nets = self.final.shape[0]
        self.active = torch.arange(self.nets, device=self.final.device)
        self._share(self.final.clone())

    def _share(self, weights: Tensor) -> None:
        self.weights = weights
        parts = weights.split([shape.numel() for shape in self.shapes.values()], dim=1)
        self.parameters = {
            name: part.unflatten(1, shape).detach().requires_grad_()
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }
        self.leaves = list(self.parameters.values())

    def keep(self, mask: Tensor) -> None:
        """Put the networks outside ``mask`` to rest."""
        self.final[self.active] = self.weights
        self.active = self.active[mask]
        self._share(self.weights[mask])

    @torch.no_grad()
    def restore(self, model: nn.Module) -> None:
        """Copy all networks back into the model."""
        self.final[self.active] = self.weights
        parts = self.final.split([shape.numel() for shape in self.shapes.values()], dim=1)
        for p, part in zip(model.parameters(), parts, strict=True):
            p.copy_(part.view_as(p))


class _SGD:
    def direction(self, gradient: Tensor, taken: Tensor) -> Tensor:
        return gradient

    def keep(self, mask: Tensor) -> None:
        pass


class _Adam:
    """Adam; torch.optim.Adam has one learning rate for a whole tensor of networks."""

    def __init__(self, weights: Tensor, beta2: float, eps: float) -> None:
        self.mean = torch.zeros_like(weights)
        self.square = torch.zeros_like(weights)
        self.beta2, self.eps = beta2, eps
        self.step = 0

    def direction(self, gradient: Tensor, taken: Tensor) -> Tensor:
        """The step for a learning rate of one; the moments of networks outside ``taken`` stay as they are."""
        self.step += 1
        skipped = (~taken).nonzero().squeeze(1)  # most often none
        mean, square = self.mean[skipped], self.square[skipped]
        self.mean.lerp_(gradient, 1 - 0.9)
        self.square.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        self.mean[skipped], self.square[skipped] = mean, square
        spread = (self.square / (1 - self.beta2**self.step)).sqrt_().add_(self.eps)
        return self.mean / (1 - 0.9**self.step) / spread

    def keep(self, mask: Tensor) -> None:
        self.mean, self.square = self.mean[mask], self.square[mask]


def _spread(output: Tensor, active: Tensor, nets: int) -> Tensor:
    """Outputs of the active networks in their places among all: (…, n, B, O) -> (…, N, B, O)."""
    if active.numel() == nets:
        return output
    full = output.new_zeros((*output.shape[:-3], nets, *output.shape[-2:]))
    return full.index_copy(output.ndim - 3, active, output)


def _per_network(name: str, value: float | Tensor, like: Tensor) -> Tensor:
    """A positive number, or N of them, as a tensor (N,)."""
    if isinstance(value, Tensor):
        values = require_floats(name, value).to(like)
    else:
        values = like.new_tensor(value if value == math.inf else require_number(name, value))
    if values.ndim > 1 or (values.ndim == 1 and values.shape[0] != like.shape[0]):
        raise ValueError(f"{name}: expected a number or a tensor ({like.shape[0]},), got shape {tuple(values.shape)}")
    if not bool((values > 0).all()):
        raise ValueError(f"{name}: expected positive numbers, got {value!r}")
    return values.expand(like.shape[0])


def _batch(sample: Sample, nets: int | None = None) -> tuple[Tensor, Tensor]:
    """A batch that is what it should be: finite, not empty, for all networks."""
    batch = ask("sample", sample)
    if not isinstance(batch, tuple) or len(batch) != 2:
        raise ValueError(f"sample: expected a pair of tensors (x, y), got {type(batch).__name__}")
    x, y = batch
    require_tensor("x", x)
    if x.numel() == 0 or x.ndim < 2 or (nets is not None and x.shape[1] != nets):
        raise ValueError(f"x: expected (T, N, …), not empty, with N = {nets or 'of the model'}, got {tuple(x.shape)}")
    if not isinstance(y, Tensor):
        raise ValueError(f"y: expected a torch.Tensor, got {type(y).__name__}")
    if y.is_floating_point():
        require_tensor("y", y)
    return x, y


def _measured(measure: Measure, output: Tensor, y: Tensor, nets: int | None = None) -> Tensor:
    result = ask("measure", measure, output, y)
    if not isinstance(result, Tensor) or result.ndim != 1 or (nets is not None and len(result) != nets):
        came = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise ValueError(f"measure: expected one number per network, ({nets or 'N'},), got {came}")
    return result
