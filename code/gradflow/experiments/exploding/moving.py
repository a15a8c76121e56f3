"""Descent on the cliff from a start, with a threshold and a step that the reader chooses."""

from __future__ import annotations

import torch

from gradflow.book.figures import BLUE, GOLD, GREEN, Chart, log_scale
from gradflow.book.moving import Slider
from gradflow.experiments.exploding.cliff import descend, loss_and_gradient

UPDATES = 400


def moving_chart() -> Chart:
    """The walk over the map of the loss, and the loss by update."""
    w, b, threshold, rate = 5.2, -3.2, 1.0, 0.1
    chart = Chart(2, ["Путь по карте потери", "Потеря по дороге"])
    ax, losses = chart.axes
    rows, columns = torch.linspace(4, 7, 121, dtype=torch.float64), torch.linspace(-4, -1, 121, dtype=torch.float64)
    plane = torch.stack(torch.meshgrid(rows, columns, indexing="xy"))
    ax.contourf(rows, columns, loss_and_gradient(plane)[0], levels=8, cmap="Greys", alpha=0.45)
    path = descend(torch.tensor([[w], [b]], dtype=torch.float64), rate, UPDATES, max_norm=threshold)
    ax.plot(path[:, 0, 0], path[:, 1, 0], "o-", color=BLUE, markersize=3, linewidth=1, gid="curve-path")
    ax.plot([w], [b], "D", color=GOLD, markersize=8, label="старт", gid="curve-start")
    ax.plot(path[-1, 0], path[-1, 1], "s", color=GREEN, markersize=7, label="конец", gid="curve-end")
    ax.set(xlim=(4, 7), ylim=(-4, -1), xlabel="$w$", ylabel="$b$")
    ax.legend(loc="upper right")
    loss = loss_and_gradient(path[:, :, 0].T)[0]
    losses.plot(loss, color=BLUE, linestyle="-", gid="curve-loss")
    losses.axhline(1e-3, color="black", linestyle=":", linewidth=1, label="дошла")
    log_scale(losses)
    losses.set(xlabel="шаг спуска", ylabel="потеря", xlim=(0, UPDATES), ylim=(1e-8, 1))
    losses.legend(loc="lower left")
    chart.moves(
        "cliff",
        threshold=Slider("порог c", 0.01, 10_000, 0.25, threshold, log=True),
        rate=Slider("шаг спуска η", 0.001, 1, 0.25, rate, log=True),
        w=Slider("старт: w", 4, 7, 0.05, w),
        b=Slider("старт: b", -4, -1, 0.05, b),
    )
    return chart
