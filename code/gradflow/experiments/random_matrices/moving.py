"""The fan of singular values of a product of Gaussian matrices while it grows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradflow._validation import require_count
from gradflow.book.figures import BLUE, RED, Chart
from gradflow.book.moving import Slider
from gradflow.jacobians import gaussian_lyapunov_exponents, log_singular_values
from gradflow.networks import gaussian_weights

WIDTH = 16


def gaussian_fan(steps: int = 60, seed: int = 5) -> Tensor:
    """``ln sigma_k`` of products of 1, …, ``steps`` independent matrices with variance ``1 / 16``, ``(steps, 16)``."""
    require_count("steps", steps)
    factors = gaussian_weights(steps, WIDTH, generator=torch.Generator().manual_seed(seed)).double()
    ones = torch.ones(steps, WIDTH, dtype=torch.float64)
    return torch.stack([log_singular_values(factors[:n], ones[:n]) for n in range(1, steps + 1)])


def moving_chart(fan: Tensor) -> Chart:
    """All singular values by length, and the rate of each beside the formula of Newman; ``fan`` is a Gaussian one."""
    length = 30
    exact = gaussian_lyapunov_exponents(WIDTH, 1.0)
    chart = Chart(2, ["Веер сингулярных чисел", "Темп каждого"])
    left, right = chart.axes
    n, k = torch.arange(1, length + 1), torch.arange(1, WIDTH + 1)
    for index in range(WIDTH):
        label = r"$\log_{10}\sigma_k$" if index == 0 else None
        values = fan[:length, index] / math.log(10)
        left.plot(n, values, color=BLUE, linestyle="-", linewidth=1, label=label, gid=f"curve-sigma{index + 1}")
    for name, rate in (("first", exact[0]), ("last", exact[-1])):
        label = r"$n\lambda_1$ и $n\lambda_{16}$" if name == "first" else None
        line = torch.tensor([0.0, rate * len(fan) / math.log(10)])
        left.plot([0, len(fan)], line, color=RED, linestyle="--", label=label, gid=f"curve-{name}")
    left.axhline(0, color="black", linestyle=":", linewidth=1)
    left.set(xlabel="число множителей $n$", xlim=(0, len(fan)), ylim=(-60, 20))
    left.legend(loc="lower left")
    right.plot(k, exact, color=RED, linestyle="--", label="формула Ньюмана", gid="curve-newman")
    right.plot(k, fan[length - 1] / length, "o", color=BLUE, label=r"$\frac{1}{n}\ln\sigma_k$", gid="curve-rates")
    right.axhline(0, color="black", linestyle=":", linewidth=1)
    right.set(xlabel="номер $k$", ylim=(-4, 1.2))
    right.legend(loc="lower left")
    chart.moves(
        "gaussian_fan",
        data={"fan": [[round(one, 3) for one in row] for row in fan.tolist()], "newman": exact.tolist()},
        length=Slider("число множителей n", 1, len(fan), 1, length),
        sigma=Slider("масштаб весов σ", 0.5, 2, 0.05, 1),
    )
    return chart
