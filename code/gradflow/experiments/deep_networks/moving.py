"""Two deep networks with the same matrices, linear and tanh, that the reader changes."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from gradflow._validation import require_count, require_number
from gradflow.book.drawings import plot_profile
from gradflow.book.figures import GRAY, Chart
from gradflow.book.moving import Slider, page_normals
from gradflow.networks import deep_network
from gradflow.profile import LayerProfile, layer_gradient_norms

WIDTH = 64
_FORMATS = {"float16": torch.float16, "float32": torch.float32}


def moved_profile(
    gain: float, sigma: float, depth: int, activation: Callable[[], nn.Module] | None = None
) -> LayerProfile:
    """Three norms a layer of the network with weights ``gain * I + sigma / sqrt(64) * N``, for the loss ``torch.sum``.

    The numbers of ``N`` and of the input are those that the script in the page draws.

    Raises:
        ValueError: ``depth`` is not a positive integer, or another number is not finite.
    """
    require_count("depth", depth)
    scale = require_number("sigma", sigma) / math.sqrt(WIDTH)
    noise = page_normals(depth, WIDTH, WIDTH)
    weights = require_number("gain", gain) * torch.eye(WIDTH, dtype=torch.float64) + scale * noise
    x = page_normals(1, WIDTH, seed=1)
    return layer_gradient_norms(deep_network(weights, activation), x, torch.sum)


def moving_chart() -> Chart:
    """Both networks side by side, with the ends of float16 and float32."""
    gain, sigma, depth = 1.5, 0.1, 50
    chart = Chart(2, titles=["Линейная", r"$\tanh$"])
    for ax, name, activation in zip(chart.axes, ("linear", "tanh"), (None, nn.Tanh), strict=True):
        plot_profile(ax, moved_profile(gain, sigma, depth, activation))
        for line, curve in zip(ax.lines, ("activations", "deltas", "weights"), strict=True):
            line.set_gid(f"curve-{name}-{curve}")
        for word, dtype in _FORMATS.items():
            info = torch.finfo(dtype)
            for end, above in ((info.max, True), (info.smallest_normal * info.eps, False)):
                ax.axhline(end, color=GRAY, linewidth=1, linestyle="-")
                ax.annotate(word, (100, end), (0, 2 if above else -2), textcoords="offset points",
                            ha="right", va="bottom" if above else "top", fontsize=10)  # fmt: skip
        ax.set(xlim=(0, 100), ylim=(1e-49, 1e43), yticks=[1e-40, 1e-20, 1, 1e20, 1e40])
        ax.legend(loc="lower left", bbox_to_anchor=(0, 0.08))
    chart.axes[1].set_ylabel("")
    chart.moves(
        "deep_network",
        gain=Slider("усиление g", 0, 2, 0.05, gain),
        sigma=Slider("шум σ", 0, 3, 0.1, sigma),
        depth=Slider("слоёв L", 2, 100, 1, depth),
    )
    return chart
