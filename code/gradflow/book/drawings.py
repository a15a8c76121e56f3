"""Drawings that know what they show: a profile of layers, a fan of singular values, the graphs of recurrent cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from gradflow._validation import require_count
from gradflow.book.figures import BLUE, GOLD, GRAY, RED, log_scale
from gradflow.profile import LayerProfile

_STATE, _INPUT, _LOSS = 0.0, -1.0, 1.0  # heights of the three rows
_BOX = {"boxstyle": "circle,pad=0.25", "facecolor": "none", "linewidth": 1.3}


def plot_profile(ax: Axes, profile: LayerProfile) -> None:
    """Draw the three norms of a :class:`~gradflow.profile.LayerProfile` against the layer, on a log scale."""
    layers = np.arange(1, len(profile.deltas) + 1)
    ax.plot(np.arange(len(layers) + 1), profile.activations, color=BLUE, linestyle="--", label=r"$\|h_l\|$")
    ax.plot(layers, profile.deltas, color=RED, linestyle=":", label=r"$\|\delta_l\|$")
    ax.plot(layers, profile.weight_grads, color="black", linestyle="-", label=r"$\|\partial\mathcal{L}/\partial W_l\|$")
    log_scale(ax)
    ax.set_xlabel("слой $l$")
    ax.set_ylabel("норма")
    ax.legend()


def plot_fan(ax: Axes, W: Tensor, lengths: Sequence[int], fan: Tensor) -> None:
    """Draw a fan of singular values between the lines ``T log10 sigma_max(W)`` and ``T log10 rho(W)``."""
    radius = torch.linalg.eigvals(W).abs().max()
    norm = torch.linalg.matrix_norm(W, 2)
    steps = torch.as_tensor(lengths)
    ax.plot(steps, fan[:, 1:], color=BLUE, linewidth=0.6, alpha=0.6, linestyle="-")
    ax.plot(steps, fan[:, 0], color=BLUE, linewidth=2.2, linestyle="-", label=r"$\log_{10}\sigma_i$")
    ax.plot(steps, steps * norm.log10(), color=GOLD, linestyle="-.", label=r"$T\,\log_{10}\sigma_{\max}(W)$")
    if radius > 0:
        ax.plot(steps, steps * radius.log10(), color=RED, linestyle="--", label=r"$T\,\log_{10}\rho(W)$")
    ax.set_xlabel("число множителей $T$")


def draw_cell_paths(ax: Axes, steps: int = 3) -> None:
    """Draw the cells and hidden states of an LSTM and the matrices on the edges between them."""
    require_count("steps", steps)
    for t in range(steps):
        for name, y in (("c", 1.0), ("h", 0.0)):
            label = f"${name}_{{t-{steps - 1 - t}}}$" if t < steps - 1 else f"${name}_t$"
            ax.text(t, y, label, ha="center", va="center", fontsize=13)
        step = f"{{t-{steps - 1 - t}}}" if t < steps - 1 else "t"
        _edge(ax, (t, 1), (t, 0), RED, f"$E_{step}$", (0.05, 0.0))
        if t > 0:
            _edge(ax, (t - 1, 1), (t, 1), BLUE, f"$F_{step}$", (0.0, 0.1))
            _edge(ax, (t - 1, 0), (t, 1), RED, f"$C_{step}$", (0.05, -0.12))
            _edge(ax, (t - 1, 0), (t, 0), GOLD, f"$R_{step}$", (0.0, -0.1), style="--")
    ax.set(xlim=(-0.25, steps - 0.7), ylim=(-0.3, 1.3))
    ax.axis("off")


def draw_unrolled(ax: Axes, steps: int, term: tuple[int, int] | None = None) -> None:
    """Draw ``steps`` copies of the cell, or the way back of one term of the gradient.

    Args:
        ax: an empty panel.
        steps: how many copies, at least 1.
        term: ``(t, k)`` with ``1 <= k <= t <= steps`` draws over a gray graph how the loss of step ``t`` reaches
            the matrix ``W`` used at step ``k``; ``None`` draws the forward graph.

    Raises:
        ValueError: ``steps`` is not positive, or ``term`` does not fit into it.
    """
    require_count("steps", steps)
    if term is not None and not 1 <= term[1] <= term[0] <= steps:
        raise ValueError(f"term: expected (t, k) with 1 <= k <= t <= {steps}, got {term!r}")
    color = "black" if term is None else GRAY
    for step in range(steps + 1):
        _node(ax, step, _STATE, f"h_{step}", color)
        if step == 0:
            continue
        _node(ax, step, _INPUT, f"x_{step}", color)
        _node(ax, step, _LOSS, rf"\mathcal{{L}}_{step}", color)
        _arrow(ax, (step, _INPUT), (step, _STATE), color, label="$V$" if term is None else None)
        _arrow(ax, (step, _STATE), (step, _LOSS), color, label="$U$" if term is None else None)
        if term is None:
            _arrow(ax, (step - 1, _STATE), (step, _STATE), BLUE, label="$W$")
        else:
            _arrow(ax, (step - 1, _STATE), (step, _STATE), GRAY)
    if term is not None:
        _draw_way_back(ax, *term)
    ax.set(xlim=(-0.3, steps + 0.3), ylim=(-1.25, 1.35))
    ax.axis("off")


def _draw_way_back(ax: Axes, t: int, k: int) -> None:
    _node(ax, t, _LOSS, rf"\mathcal{{L}}_{t}", RED)
    _arrow(ax, (t + 0.09, _LOSS), (t + 0.09, _STATE), RED, width=2.2)
    for step in range(t, k, -1):
        _node(ax, step, _STATE, f"h_{step}", RED)
        _arrow(ax, (step, _STATE), (step - 1, _STATE), RED, rf"$J_{step}^\top$", width=2.2, bend=0.35)
    _node(ax, k, _STATE, f"h_{k}", RED)
    _arrow(ax, (k, _STATE), (k - 1, _STATE), BLUE, rf"$D_{k}\cdot h_{k - 1}^\top$", width=2.2, bend=0.35)


def _node(ax: Axes, x: float, y: float, name: str, color: str) -> None:
    ax.text(x, y, f"${name}$", color=color, ha="center", va="center", fontsize=13, bbox=_BOX | {"edgecolor": color})


def _arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    label: str | None = None,
    width: float = 1.3,
    bend: float = 0.0,
) -> None:
    style = {
        "arrowstyle": "-|>",
        "color": color,
        "linewidth": width,
        "shrinkA": 15,
        "shrinkB": 15,
        "connectionstyle": f"arc3,rad={bend}",
    }
    ax.annotate("", xy=end, xytext=start, arrowprops=style)
    if label:
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        upright = start[0] == end[0]
        offset = (7, 0) if upright else (0, 7 + 55 * bend)
        ax.annotate(
            label,
            middle,
            xytext=offset,
            textcoords="offset points",
            color=color,
            ha="left" if upright else "center",
            va="center" if upright else "bottom",
        )


def _edge(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    label: str,
    shift: tuple[float, float],
    style: str = "-",
) -> None:
    arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 1.8, "linestyle": style, "shrinkA": 16, "shrinkB": 16}
    ax.annotate("", xy=end, xytext=start, arrowprops=arrow)
    x, y = (start[0] + end[0]) / 2 + shift[0], (start[1] + end[1]) / 2 + shift[1]
    ax.text(x, y, label, color=color, ha="left" if shift[0] else "center", va="center", fontsize=12)
