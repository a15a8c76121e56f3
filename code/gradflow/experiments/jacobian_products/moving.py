"""A Jordan block of two rows that the reader changes: its powers, the path of a vector, its pseudospectrum."""

from __future__ import annotations

import torch
from torch import Tensor

from gradflow._validation import require_count, require_number
from gradflow.book.figures import BLUE, GOLD, GRAY, RED, Chart, log_scale
from gradflow.book.moving import Slider

STEPS = 60


def jordan_block(rho: float, coupling: float) -> Tensor:
    """The matrix with ``rho`` twice on its diagonal and ``coupling`` above it, ``(2, 2)`` in float64."""
    rho, coupling = require_number("rho", rho), require_number("coupling", coupling)
    return torch.tensor([[rho, coupling], [0.0, rho]], dtype=torch.float64)


def matrix_powers(W: Tensor, steps: int = STEPS) -> Tensor:
    """``W⁰, …, W^steps`` of a square matrix, ``(steps + 1, D, D)``."""
    require_count("steps", steps)
    return torch.stack([torch.linalg.matrix_power(W, t) for t in range(steps + 1)])


def circle(radius: float = 1.0, centre: float = 0.0) -> Tensor:
    """Points of a circle, the first again as the last, ``(2, 65)``."""
    angle = torch.linspace(0, 2 * torch.pi, 65, dtype=torch.float64)
    return torch.stack([centre + radius * angle.cos(), radius * angle.sin()])


def moving_chart() -> Chart:
    """Norm of the powers; the path of a vector and the image of the unit circle; eigenvalue and pseudospectrum."""
    rho, coupling, step = 0.9, 1.0, 9
    W = jordan_block(rho, coupling)
    chart = Chart(3, ["Норма степени", "Круг и вектор после $t$ шагов", "Псевдоспектр"], height=1.1)
    _draw_norms(chart, W, step)
    _draw_path(chart, W, step)
    ax = chart.axes[2]
    ax.plot(*circle(), color="black", linestyle=":", linewidth=1)
    for name, level, color, dash in (("outer", 0.1, BLUE, "-"), ("inner", 0.01, GOLD, "--")):
        disc = circle((level * (level + coupling)) ** 0.5, rho)
        label = rf"$\varepsilon={level}$".replace(".", "{,}")
        ax.plot(*disc, dash, color=color, label=label, gid=f"curve-{name}")
    ax.plot([rho], [0], "o", color=RED, label=r"$\rho$", gid="curve-eigenvalue")
    ax.set(xlim=(-1.4, 2), ylim=(-1.25, 1.25), xlabel=r"$\mathrm{Re}\,z$", ylabel=r"$\mathrm{Im}\,z$")
    ax.legend(loc="upper left")
    ax.set_aspect("equal")
    chart.moves(
        "jordan_block",
        rho=Slider("собственное число ρ", 0.5, 1.1, 0.01, rho),
        coupling=Slider("связь c", 0, 3, 0.05, coupling),
        step=Slider("шаг t", 0, STEPS, 1, step),
    )
    return chart


def _draw_norms(chart: Chart, W: Tensor, step: int) -> None:
    ax, t = chart.axes[0], torch.arange(STEPS + 1)
    norms = torch.linalg.matrix_norm(matrix_powers(W), 2)
    ax.plot(t, norms, color=BLUE, linestyle="-", label=r"$\|W^t\|$", gid="curve-norm")
    ax.plot(t, W[0, 0] ** t, color=RED, linestyle="--", label=r"$\rho^t$", gid="curve-radius")
    ax.plot(t, norms[1] ** t, color=GOLD, linestyle="-.", label=r"$\sigma_{\max}^t$", gid="curve-sigma")
    ax.plot([step], norms[[step]], "o", color=BLUE, gid="curve-now")
    log_scale(ax)
    ax.set(xlabel="шаг $t$", xlim=(0, STEPS), ylim=(1e-3, 1e3))
    ax.legend(loc="lower left")


def _draw_path(chart: Chart, W: Tensor, step: int) -> None:
    ax = chart.axes[1]
    history = matrix_powers(W)[: step + 1]
    ax.plot(*circle(), color=GRAY, linestyle=":", linewidth=1.2)
    ax.plot(*(history[-1] @ circle()), color=BLUE, linestyle="-", label="образ круга", gid="curve-image")
    ax.plot(*history[:, :, 1].T, "o--", color=RED, markersize=3, linewidth=1, label="путь $(0,1)$", gid="curve-path")
    ax.set(xlim=(-8, 8), ylim=(-6, 6))
    ax.legend(loc="lower right")
    ax.set_aspect("equal")
