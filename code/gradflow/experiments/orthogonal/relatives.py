"""Recurrent networks that stay near an isometry by construction, and what their Jacobian of many steps does.

Sources: Talathi, Vartak 2015 (np-RNN); Helfrich, Willmott, Ye 2018 and Lezcano-Casado, Martínez-Rubio 2019
(orthogonal W with modReLU); Chang, Chen, Haber, Chi 2019 (antisymmetric); Rusch, Mishra 2021 (coRNN); Kerg et al. 2019
(nnRNN).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor

from gradflow._validation import require_count
from gradflow.experiments.orthogonal.isometry import row_jacobians
from gradflow.initialization import orthogonal_

Step = Callable[[Tensor, Tensor], Tensor]
"""A step of a network: inputs (…, H) and states (…, n) -> the next states (…, n)."""

RELATIVES = ("np-RNN", "np-RNN, linear", "modReLU", "antisymmetric", "coRNN", "nnRNN")


def long_singular_values(
    name: str, steps: int = 100, seeds: int = 3, hidden_size: int = 32, *, generator: Generator
) -> Tensor:
    """Singular values of the Jacobian of the last state by the first, at the networks' start.

    Inputs of the units are N(0, 0.09), the first state is zero. Values below 1e-16 of the largest are rounding.

    Args:
        name: one of ``RELATIVES``.
        steps, seeds, hidden_size: sizes; ``hidden_size`` is even.
        generator: source of weights and inputs.

    Returns:
        (seeds, n) in float64, the largest first; n is H, and 2H for coRNN, whose state is positions and velocities.

    Raises:
        ValueError: an unknown name, a size below 1, or an odd ``hidden_size``.
    """
    if name not in RELATIVES:
        raise ValueError(f"name: expected one of {', '.join(RELATIVES)}, got {name!r}")
    if require_count("hidden_size", hidden_size) % 2:
        raise ValueError(f"hidden_size: expected an even number, got {hidden_size}")
    require_count("steps", steps)
    values = []
    for _ in range(require_count("seeds", seeds)):
        step = _step(name, hidden_size, generator)
        states = [torch.zeros(hidden_size * (2 if name == "coRNN" else 1), dtype=torch.float64)]
        inputs = 0.3 * torch.randn(steps, hidden_size, generator=generator, dtype=torch.float64)
        for u in inputs[:-1]:
            states.append(step(u, states[-1]))
        P = torch.eye(len(states[0]), dtype=torch.float64)
        for J in row_jacobians(partial(step, inputs), torch.stack(states)):
            P = J @ P
        values.append(torch.linalg.svdvals(P))
    return torch.stack(values)


def _step(name: str, H: int, generator: Generator) -> Step:
    M = torch.randn(H, H, generator=generator, dtype=torch.float64) / H**0.5
    eye = torch.eye(H, dtype=torch.float64)
    if name.startswith("np-RNN"):
        positive = M.T @ M + eye
        W = positive / torch.linalg.eigvalsh(positive)[-1]
        f = (lambda a: a) if "linear" in name else torch.relu
        return lambda u, h: f(h @ W.T + u)
    if name == "modReLU":
        Q = orthogonal_(torch.empty(H, H, dtype=torch.float64), generator=generator)
        bias = 0.02 * torch.rand(H, generator=generator, dtype=torch.float64) - 0.01
        return lambda u, h: _mod_relu(h @ Q.T + u, bias)
    if name == "antisymmetric":
        A = M - M.T - 0.01 * eye
        return lambda u, h: h + 0.1 * torch.tanh(h @ A.T + u)
    if name == "coRNN":
        velocities = torch.randn(H, H, generator=generator, dtype=torch.float64) / H**0.5
        return lambda u, state: _oscillate(state, u, M, velocities)
    Q = orthogonal_(torch.empty(H, H, dtype=torch.float64), generator=generator)
    angles = torch.rand(H // 2, generator=generator, dtype=torch.float64) * 6.283
    turn = torch.stack((angles.cos(), -angles.sin(), angles.sin(), angles.cos()), -1).view(-1, 2, 2)
    feedforward = torch.block_diag(*torch.ones(H // 2, 2, 2)).eq(0) * M.triu() / 4
    W = Q @ (torch.block_diag(*turn) + feedforward) @ Q.T
    bias = 0.02 * torch.rand(H, generator=generator, dtype=torch.float64) - 0.01
    return lambda u, h: _mod_relu(h @ W.T + u, bias)


def _mod_relu(a: Tensor, bias: Tensor) -> Tensor:
    return a.sign() * (a.abs() + bias).relu()


def _oscillate(state: Tensor, u: Tensor, W: Tensor, velocities: Tensor) -> Tensor:
    """A step 0.05 of y'' = tanh(W y + V y' + u) - y - y'."""
    y, z = state.chunk(2, -1)
    z = z + 0.05 * (torch.tanh(y @ W.T + z @ velocities.T + u) - y - z)
    return torch.cat((y + 0.05 * z, z), -1)
