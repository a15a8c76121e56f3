"""A transformer small enough to hold in the head: attention, a branch of two matrices, a normalization around each.

Many networks at once, as in ``gradflow.recurrent``: every parameter has a leading dimension N, and networks never see
one another. Inside a network tokens stand as ``(N, B, T, D)`` (networks, batch, tokens, width); the input and output
of ``ParallelTransformer`` are ``(T, N, B, I)``, so that the tasks and the training of the package fit.
There are no biases and no mask: every token sees every token.
"""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from gradflow._validation import (
    require_choice,
    require_floats,
    require_generator,
    require_like,
    require_number,
    require_positive,
    require_sizes,
    require_tensor,
)

_ROUNDING = 1e-3  # weights whose sum differs from one by more are not rounded weights


def softmax_jacobian(p: Tensor) -> Tensor:
    """Jacobian of softmax, ``diag(p) - p pᵀ``, from its value: weights ``(…, T)`` -> ``(…, T, T)``.

    Symmetric, positive semidefinite, kills constant vectors, and its norm is at most 1/2.

    Raises:
        ValueError: ``p`` is not a finite float tensor, or along its last dimension it is not a distribution.

    Source: direct calculation.
    """
    if require_tensor("p", p).ndim == 0 or p.numel() == 0:
        raise ValueError(f"p: expected at least one weight, got shape {tuple(p.shape)}")
    total = p.double().sum(-1)
    if bool((p < 0).any()) or bool(((total - 1).abs() > _ROUNDING).any()):
        raise ValueError("p: expected non-negative weights whose sum is 1")
    return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)


class ParallelBlock(nn.Module):
    """N transformer blocks: ``h + attention(LN h)``, then ``h + W₂ ReLU(W₁ LN h)``.

    Parameters: ``W_QKV (N, 3D, D)`` (queries, keys, values), ``W_O (N, D, D)``, ``W_1 (N, F, D)``, ``W_2 (N, D, F)``
    with F = 4D, and ``gain (N, 2, D)``, the scales of the normalizations, if any, ones at first. The entries of the
    matrices are independent and normal; their variance is one over the number of columns, two over it for ``W_1``.

    Args:
        nets: number of networks N.
        width: D.
        heads: number of attention heads, a divisor of D.
        layer_norm: ``"pre"`` normalizes the input of each branch, ``"post"`` the sum, ``None`` neither.
        skip: constant factor of what goes around each branch (above 1 in DeepNorm).
        scale: learned factor of the two branches and its first value, ``(2, 1)`` for one number a branch (ReZero) or
            ``(2, D)`` for one a coordinate (LayerScale); None for none.
        qk_norm: divide each query and each key by its root mean square.
        logit_cap: c of ``c tanh(logit / c)``; None for none.
        generator: source of the initial weights.

    Raises:
        ValueError: a size below 1, ``heads`` that do not divide ``width``, an unknown ``layer_norm``, a ``skip`` that
            is not finite, a ``scale`` of another shape, or a ``logit_cap`` that is not positive.

    Source: Vaswani et al. 2017; Xiong et al. 2020 (pre and post), Wang et al. 2022 (skip), Bachlechner et al. 2021 and
    Touvron et al. 2021 (scale), Dehghani et al. 2023 (normalized queries and keys), Gemma Team 2024 (cap).
    """

    def __init__(
        self,
        nets: int,
        width: int,
        heads: int,
        layer_norm: str | None = "pre",
        *,
        skip: float = 1.0,
        scale: Tensor | None = None,
        qk_norm: bool = False,
        logit_cap: float | None = None,
        generator: Generator,
    ) -> None:
        super().__init__()
        require_sizes(nets=nets, width=width, columns=4 * width if isinstance(width, int) else width)
        require_sizes(heads=heads)
        if width % heads:
            raise ValueError(f"heads: expected a divisor of the width {width}, got {heads}")
        require_choice("layer_norm", layer_norm, ("pre", "post", None))
        self.heads, self.layer_norm, self.qk_norm = heads, layer_norm, bool(qk_norm)
        self.skip = require_number("skip", skip, torch.get_default_dtype())
        self.logit_cap = None if logit_cap is None else require_positive("logit_cap", logit_cap, torch.float32)
        self.W_QKV = _normal(nets, 3 * width, width, generator=generator)
        self.W_O = _normal(nets, width, width, generator=generator)
        self.W_1 = _normal(nets, 4 * width, width, gain=math.sqrt(2), generator=generator)
        self.W_2 = _normal(nets, width, 4 * width, generator=generator)
        if layer_norm is not None:
            self.gain = nn.Parameter(torch.ones(nets, 2, width, device=generator.device))
        self.scale: nn.Parameter | None = None
        if scale is not None:
            if require_tensor("scale", scale).shape not in ((2, 1), (2, width)):
                raise ValueError(f"scale: expected shape (2, 1) or (2, {width}), got {tuple(scale.shape)}")
            self.scale = nn.Parameter(scale.detach().to(self.W_O).repeat(nets, 1, 1))

    def forward(self, h: Tensor) -> Tensor:
        """Tokens after both branches, ``(N, B, T, D)`` -> ``(N, B, T, D)``."""
        self._require_tokens(h)
        for index, branch in enumerate((self.attention, self.perceptron)):
            y = branch(self._normalized(h, index) if self.layer_norm == "pre" else h)
            if self.scale is not None:
                y = y * self.scale[:, index, None, None]
            h = self.skip * h + y
            if self.layer_norm == "post":
                h = self._normalized(h, index)
        return h

    def attention(self, h: Tensor) -> Tensor:
        """The first branch: tokens ``(N, B, T, D)`` -> what they have read from one another."""
        self._require_tokens(h)
        q, k, v = self._queries_keys_values(h)
        mixed = self._logits(q, k).softmax(-1) @ v
        return _map(mixed.transpose(2, 3).flatten(3), self.W_O)

    def perceptron(self, h: Tensor) -> Tensor:
        """The second branch, token by token: ``(N, B, T, D)`` -> ``(N, B, T, D)``."""
        self._require_tokens(h)
        return _map(F.relu(_map(h, self.W_1)), self.W_2)

    def logits(self, h: Tensor) -> Tensor:
        """What softmax is applied to, for the tokens ``h (N, B, T, D)`` that enter: ``(N, B, heads, T, T)``."""
        self._require_tokens(h)
        q, k, _ = self._queries_keys_values(self._normalized(h, 0) if self.layer_norm == "pre" else h)
        return self._logits(q, k)

    def _require_tokens(self, h: Tensor) -> None:
        """Inf and nan may stand in the tokens: a network that diverges has to be told by its loss."""
        nets, width, _ = self.W_O.shape
        if require_floats("h", h).ndim != 4 or h.numel() == 0 or h.shape[0] != nets or h.shape[-1] != width:
            raise ValueError(f"h: expected ({nets}, B, T, {width}), got {tuple(h.shape)}")
        require_like("h", h, self.W_O, "the weights")

    def _normalized(self, h: Tensor, index: int) -> Tensor:
        return F.layer_norm(h, h.shape[-1:]) * self.gain[:, index, None, None]

    def _queries_keys_values(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Each ``(N, B, heads, T, d)``."""
        q, k, v = _map(h, self.W_QKV).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        return (F.rms_norm(q, q.shape[-1:]), F.rms_norm(k, k.shape[-1:]), v) if self.qk_norm else (q, k, v)

    def _logits(self, q: Tensor, k: Tensor) -> Tensor:
        z = q @ k.mT / math.sqrt(q.shape[-1])
        return z if self.logit_cap is None else self.logit_cap * torch.tanh(z / self.logit_cap)


class ParallelTransformer(nn.Module):
    """N transformers: a linear embedding, learned positions, blocks, a linear readout of every token.

    Parameters beside those of the blocks: ``embedding (N, D, I)`` and ``positions (N, T, D)``, both with variance 1/2
    (a token that names one symbol has a mean square of 1), and ``readout (N, O, D)`` with variance 1/D. Before the
    readout of a pre-normalized network stands one more normalization.

    Args:
        nets: number of networks N.
        input_size: number of input features I.
        output_size: O.
        length: number of tokens T.
        width: D.
        heads: a divisor of D.
        depth: number of blocks L.
        layer_norm, skip, scale, qk_norm, logit_cap: of the blocks, see ``ParallelBlock``.
        generator: source of the initial weights.

    Raises:
        ValueError: a size below 1, or what ``ParallelBlock`` refuses.
    """

    def __init__(
        self,
        nets: int,
        input_size: int,
        output_size: int,
        *,
        length: int,
        width: int,
        heads: int,
        depth: int,
        layer_norm: str | None = "pre",
        skip: float = 1.0,
        scale: Tensor | None = None,
        qk_norm: bool = False,
        logit_cap: float | None = None,
        generator: Generator,
    ) -> None:
        super().__init__()
        require_sizes(nets=nets, input_size=input_size, width=width)
        require_sizes(nets=nets, output_size=output_size, width=width)
        require_sizes(nets=nets, length=length, width=width)
        require_sizes(nets=nets, depth=depth, width=width)
        self.layer_norm = layer_norm
        self.embedding = _normal(nets, width, input_size, gain=math.sqrt(input_size / 2), generator=generator)
        self.positions = _normal(nets, length, width, gain=math.sqrt(width / 2), generator=generator)
        block = partial(
            ParallelBlock, skip=skip, scale=scale, qk_norm=qk_norm, logit_cap=logit_cap, generator=generator
        )
        self.blocks = nn.ModuleList(block(nets, width, heads, layer_norm) for _ in range(depth))
        self.readout = _normal(nets, output_size, width, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """The readout of every token: ``x (T, N, B, I)`` -> ``(T, N, B, O)``."""
        h = self.states(x)[-1]
        if self.layer_norm == "pre":
            h = F.layer_norm(h, h.shape[-1:])
        return _map(h, self.readout).permute(2, 0, 1, 3)

    def states(self, x: Tensor) -> list[Tensor]:
        """What enters each block and what leaves the last one: ``x (T, N, B, I)`` -> L + 1 tensors ``(N, B, T, D)``."""
        length, (nets, _, inputs) = self.positions.shape[1], self.embedding.shape
        require_like("x", require_tensor("x", x, ndim=4), self.embedding, "the weights")
        if x.numel() == 0 or x.shape[:2] != (length, nets) or x.shape[-1] != inputs:
            raise ValueError(f"x: expected ({length}, {nets}, B, {inputs}), got {tuple(x.shape)}")
        h = _map(x.permute(1, 2, 0, 3), self.embedding) + self.positions.unsqueeze(1)
        states = [h]
        for block in self.blocks:
            states.append(block(states[-1]))
        return states


def _normal(nets: int, rows: int, columns: int, gain: float = 1.0, *, generator: Generator) -> nn.Parameter:
    """A parameter (N, rows, columns) whose entries are N(0, gain² / columns)."""
    device = require_generator(generator).device
    normal = torch.randn(nets, rows, columns, generator=generator, device=device)
    return nn.Parameter(gain / math.sqrt(columns) * normal)


def _map(h: Tensor, weight: Tensor) -> Tensor:
    """Each network's linear map of all its tokens: (N, B, T, I), (N, O, I) -> (N, B, T, O)."""
    return torch.bmm(h.flatten(1, 2), weight.mT).view(*h.shape[:3], -1)
