"""How far the powers of a matrix rise before its eigenvalues take over: resolvent, Kreiss constant, scalings.

Source: Trefethen, Embree, Spectra and Pseudospectra, 2005.
"""

from __future__ import annotations

import math

import torch
from matplotlib.axes import Axes
from torch import Tensor

from gradflow._validation import require_count, require_positive, require_square
from gradflow.book import BLUE, GOLD, GRAY, RED


def power_norms(W: Tensor, steps: int, every: int = 1) -> Tensor:
    """‖W^t‖ for t = 0, every, 2 every, … up to ``steps``: ``(steps // every + 1,)``."""
    W = require_square("W", W)
    stride = torch.linalg.matrix_power(W, require_count("every", every))
    powers = [torch.eye(len(W)).to(W)]
    for _ in range(require_count("steps", steps) // every):
        powers.append(stride @ powers[-1])
    norms: Tensor = torch.linalg.matrix_norm(torch.stack(powers), 2)
    return norms


def resolvent_norms(W: Tensor, z: Tensor) -> Tensor:
    """‖(zI − W)⁻¹‖ at complex points ``z`` of any shape; infinite at an eigenvalue."""
    W = require_square("W", W)
    shifted = z[..., None, None] * torch.eye(len(W)).to(z) - W.to(z)
    least: Tensor = torch.linalg.svdvals(shifted)[..., -1]
    return 1 / least


def draw_pseudospectrum(ax: Axes, W: Tensor) -> None:
    """Draw eigenvalues of a real matrix, the unit circle and the edges of the pseudospectra of 0.1, 0.01, 1e-10."""
    x, y = torch.linspace(-1.5, 1.5, 61).to(W), torch.linspace(0, 1.5, 31).to(W)
    heights = resolvent_norms(W, torch.complex(x.expand(31, -1), y[:, None].expand(-1, 61))).log10().clamp(max=40)
    for half in (y, -y):  # what is real is symmetric
        ax.contour(x, half, heights, [1, 2, 10], colors=[BLUE, GOLD, RED], linestyles=["-", "--", "-."])
    eigenvalues, turn = torch.linalg.eigvals(W), torch.linspace(0, 2 * math.pi, 200)
    ax.plot(eigenvalues.real, eigenvalues.imag, ".", color=GRAY, markersize=3)
    ax.plot(turn.cos(), turn.sin(), ":", color="black")
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel="вещественная часть", ylabel="мнимая часть")


def kreiss_constant(W: Tensor, angles: int = 16) -> float:
    """The largest (|z| − 1) ‖(zI − W)⁻¹‖ over a polar grid outside the unit circle, and at infinity, where it is 1.

    Args:
        W: ``(D, D)``, real.
        angles: how many directions from 0 to π; one is enough if the maximum lies on the positive half-axis.
    """
    excess = torch.logspace(-3, 0.5, 30, dtype=torch.float64)
    turn = torch.linspace(0, math.pi, require_count("angles", angles), dtype=torch.float64)[:, None]
    z = torch.polar((1 + excess).expand(len(turn), -1), turn.expand(-1, len(excess)))
    return max(1.0, float((excess * resolvent_norms(W, z)).max()))


def schur_constant(W: Tensor, epsilon: float) -> float:
    """log10 of the constant tau^(1 − D) in the proof of ‖W^t‖ <= C (rho + epsilon)^t, for the largest tau it allows."""
    W, epsilon = require_square("W", W), require_positive("epsilon", epsilon)
    Q = torch.linalg.qr(torch.linalg.eig(W).eigenvectors).Q
    upper = (Q.mH @ W.to(Q) @ Q).triu(1).abs()
    distance = (torch.arange(len(W))[None, :] - torch.arange(len(W))[:, None]).clamp(min=0)
    low, high = 0.0, 12.0  # minus log10 of tau
    for _ in range(50):
        middle = (low + high) / 2
        fits = (upper * 10 ** (-middle * distance.double())).norm() <= epsilon
        low, high = (low, middle) if fits else (middle, high)
    return (len(W) - 1) * high


def best_scaling(W: Tensor, steps: int = 200) -> float:
    """The least ‖ΛWΛ⁻¹‖ that gradient descent over diagonal Λ > 0 finds; a convex problem in the logarithm of Λ."""
    W = require_square("W", W)
    logs = torch.zeros(len(W), dtype=W.dtype, requires_grad=True)
    optimizer = torch.optim.Adam([logs], lr=0.02)
    least = math.inf
    for _ in range(require_count("steps", steps)):
        norm = torch.linalg.matrix_norm((logs[:, None] - logs).exp() * W, 2)
        least = min(least, norm.item())
        optimizer.zero_grad()
        norm.backward()
        optimizer.step()
    return least
