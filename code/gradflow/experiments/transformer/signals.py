"""New transformers: how alike their tokens become, and what forward signal, error signal and gradients do in depth."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gradflow._validation import require_choice, require_count
from gradflow.transformer import ParallelBlock, ParallelTransformer


def spread(h: Tensor) -> Tensor:
    """How far tokens lie from their mean: ``(…, T, D)`` -> ``(…)``, 0 if all are alike, 1 if their mean is zero."""
    deviation = h - h.mean(-2, keepdim=True)
    ratio: Tensor = deviation.flatten(-2).norm(dim=-1) / h.flatten(-2).norm(dim=-1)
    return ratio


Layer = Callable[[ParallelBlock, Tensor], Tensor]

LAYERS: dict[str, tuple[str | None, float, Layer]] = {
    "одно внимание": (None, 1.0, lambda block, h: block.attention(h)),
    "внимание и вторая ветвь, без обхода": ("post", 0.0, lambda block, h: block(h)),
    "внимание с обходом": (None, 1.0, lambda block, h: h + block.attention(_normalized(h))),
    "целый блок, pre-LN": ("pre", 1.0, lambda block, h: block(h)),
    "целый блок, post-LN": ("post", 1.0, lambda block, h: block(h)),
}
"""Layers to stack: normalization and skip factor of the block, and what is done with it."""


def _normalized(h: Tensor) -> Tensor:
    return torch.layer_norm(h, h.shape[-1:])


def collapse(layer: str, depth: int = 16, nets: int = 5, tokens: int = 16, width: int = 64, seed: int = 0) -> Tensor:
    """The spread of the tokens after each layer of new networks, ``(nets, depth + 1)``; in float64.

    Args:
        layer: a key of ``LAYERS``.
        depth: number of layers L.
        nets: how many networks N, each with tokens of its own, independent and standard normal.
        tokens: T.
        width: D; four heads.
        seed: of everything.
    """
    require_choice("layer", layer, LAYERS)
    layer_norm, skip, step = LAYERS[layer]
    g = Generator().manual_seed(seed)
    h = torch.randn(require_count("nets", nets), 1, tokens, width, generator=g).double()
    curve = [spread(h).squeeze(1)]
    with torch.no_grad():
        for _ in range(require_count("depth", depth)):
            block = ParallelBlock(nets, width, 4, layer_norm, skip=skip, generator=g).double()
            h = step(block, h)
            curve.append(spread(h).squeeze(1))
    return torch.stack(curve, dim=1)


class Scheme(NamedTuple):
    """How branches start; ``skip`` and the factors ``last`` and ``inner`` of the weights depend on the depth."""

    layer_norm: str | None
    skip: Callable[[int], float]
    scale: Tensor | None
    last: Callable[[int], float]
    inner: Callable[[int], float]


def _one(depth: int) -> float:
    return 1.0


SCHEMES: dict[str, Scheme] = {
    "post-LN": Scheme("post", _one, None, _one, _one),
    "pre-LN": Scheme("pre", _one, None, _one, _one),
    "GPT-2": Scheme("pre", _one, None, lambda L: 1 / math.sqrt(2 * L), _one),
    "нули": Scheme("pre", _one, None, lambda L: 0.0, _one),
    "LayerScale": Scheme("pre", _one, 0.1 * torch.ones(2, 1), _one, _one),
    "ReZero": Scheme(None, _one, torch.zeros(2, 1), _one, _one),
    "DeepNorm": Scheme("post", lambda L: (2 * L) ** 0.25, None, lambda L: (8 * L) ** -0.25, lambda L: (8 * L) ** -0.25),
}
"""Ways to start a residual network. ``last`` multiplies the last matrices of the branches, ``inner`` values and W₁."""


def make(
    scheme: str, depth: int, nets: int, *, size: int, length: int, width: int, heads: int, generator: Generator
) -> ParallelTransformer:
    """New networks whose residual branches start as a scheme says.

    Args:
        scheme: a key of ``SCHEMES``.
        depth: number of blocks L.
        nets: number of networks N.
        size: number of input features and of outputs.
        length, width, heads: T, D, number of heads.
        generator: source of the weights.

    Source: Radford et al. 2019 (GPT-2), Goyal et al. 2017 (zeros), Touvron et al. 2021 (LayerScale), Bachlechner et
    al. 2021 (ReZero), Wang et al. 2022 (DeepNorm).
    """
    require_choice("scheme", scheme, SCHEMES)
    layer_norm, skip, scale, last, inner = SCHEMES[scheme]
    if scale is not None and scheme == "LayerScale":
        scale = scale.expand(2, width)
    model = ParallelTransformer(
        nets, size, size, length=length, width=width, heads=heads, depth=depth, layer_norm=layer_norm,
        skip=skip(depth), scale=scale, generator=generator,
    )  # fmt: skip
    with torch.no_grad():
        for block in model.blocks:
            assert isinstance(block, ParallelBlock)
            block.W_O.mul_(last(depth))
            block.W_2.mul_(last(depth))
            block.W_1.mul_(inner(depth))
            block.W_QKV[:, -width:].mul_(inner(depth))
    return model


class Signals(NamedTuple):
    """Root mean squares along the depth of N networks.

    ``forward (N, L + 1)`` what enters each block and leaves the last; ``backward (N, L + 1)`` the gradient with respect
    to it; ``weights (N, L)`` the norm of the gradient with respect to all matrices of a block; ``queries (N, L)`` that
    of queries and keys alone.
    """

    forward: Tensor
    backward: Tensor
    weights: Tensor
    queries: Tensor


def signals(model: ParallelTransformer, x: Tensor, *, generator: Generator) -> Signals:
    """Forward signal, error signal and gradients of a loss that is linear in the readout, with random coefficients.

    Args:
        model: the networks.
        x: ``(T, N, B, I)``.
        generator: source of the coefficients.
    """
    states = model.states(x)
    for h in states:
        h.retain_grad()
    width = states[-1].shape[-1]
    h = _normalized(states[-1]) if model.layer_norm == "pre" else states[-1]
    direction = torch.randn(h.shape, generator=generator).to(h) / math.sqrt(h.shape[1:].numel())
    (h * direction).sum().backward()
    backward = torch.stack([_norm(_grad(h)) for h in states], dim=1)
    blocks = [block for block in model.blocks if isinstance(block, ParallelBlock)]
    asking = [_norm(_grad(block.W_QKV)[:, : 2 * width]) for block in blocks]
    matrices = [[block.W_QKV, block.W_O, block.W_1, block.W_2] for block in blocks]
    weights = [torch.stack([_norm(_grad(W)) for W in block]).norm(dim=0) for block in matrices]
    forward = torch.stack([h.detach().square().flatten(1).mean(1).sqrt() for h in states], dim=1)
    return Signals(forward, backward, torch.stack(weights, dim=1), torch.stack(asking, dim=1))


def _norm(a: Tensor) -> Tensor:
    """The norm of what belongs to each network: (N, …) -> (N,)."""
    norm: Tensor = torch.linalg.vector_norm(a.flatten(1), dim=1)
    return norm


def _grad(tensor: Tensor) -> Tensor:
    assert tensor.grad is not None
    return tensor.grad
