"""Random deep and recurrent networks with layer normalization and residual connections, measured and trained."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from gradflow._side_by_side import side_by_side
from gradflow._validation import require_count, require_number
from gradflow.book.figures import BLUE, RED, Chart
from gradflow.book.moving import Choice
from gradflow.jacobians import log_singular_values, state_jacobians, step_jacobian
from gradflow.layer_norm import gradient_growth, layer_norm_jacobian
from gradflow.networks import Normalization, deep_network, gaussian_weights, orthogonal_weights
from gradflow.profile import layer_gradient_norms


def measured_growth(
    activation: Callable[[], nn.Module],
    layer_norm: str,
    *,
    normalization: Normalization = nn.LayerNorm,
    bias: float = 0.0,
    width: int = 512,
    depth: int = 16,
    seeds: int = 5,
) -> Tensor:
    """Growth of the gradient's norm per layer, from output to input, in Gaussian networks of weights N(0, 1/width).

    The first layer is left out: its input is not normalized. Batch of 8 inputs, a random linear loss.

    Args:
        activation: makes the nonlinearity, for example ``nn.ReLU``.
        layer_norm: ``"after"`` or ``"before"`` the activation.
        normalization: its kind.
        bias: biases are N(0, bias²); none at 0.
        width: number of units of a layer.
        depth: number of layers, at least 3.
        seeds: number of networks.

    Returns:
        (seeds,) geometric means over layers 2 … depth.
    """
    require_count("depth", depth, minimum=3)
    growth = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        weights = gaussian_weights(depth, width, generator=generator)
        network = deep_network(weights, activation, layer_norm, normalization)
        x, direction = torch.randn(2, 8, width, generator=generator)
        for layer in network.modules():
            if bias and isinstance(layer, nn.Linear):
                layer.bias = nn.Parameter(bias * torch.randn(width, generator=generator))
        network.requires_grad_(False)  # the error signals are enough
        deltas = layer_gradient_norms(network, x, _projection(direction)).deltas
        growth.append((deltas[1] / deltas[-1]) ** (1 / (depth - 2)))
    return torch.stack(growth)


def residual_product(scale: float, depth: int = 100, width: int = 128, seeds: int = 8) -> Tensor:
    """log10 of ‖P‖_F/√width for P = (I + scale W_l) … (I + scale W_1) with Gaussian W ~ N(0, 1/width).

    Returns:
        (seeds, depth + 1), starting with 0 for the empty product.
    """
    require_number("scale", scale)
    sizes = torch.zeros(seeds, depth + 1, dtype=torch.float64)
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        product = torch.eye(width, dtype=torch.float64)
        for layer in range(1, depth + 1):
            branch = torch.randn(width, width, generator=generator, dtype=torch.float64) / math.sqrt(width)
            product = product + scale * branch @ product
            sizes[seed, layer] = (product.norm() / math.sqrt(width)).log10()
    return sizes


def normalized_recurrence(
    noise: float, distance: int = 50, width: int = 64, seeds: int = 5
) -> tuple[Tensor, Tensor, Tensor]:
    """The linear recurrent network ``h_t = LN(Q h_{t-1} + u_t)`` with orthogonal Q and u ~ N(0, noise²).

    Returns:
        Root mean square of h_T (seeds,), log10 of ‖∂h_T/∂h_k‖_F/√width by lag 0 … distance
        (seeds, distance + 1), and log10 of the bound ∏ 1/s_t on the spectral norm, of the same shape.
    """
    sizes, gradients, bounds = [], [], []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        Q = orthogonal_weights(1, width, generator=generator)[0].double()
        h = torch.randn(width, generator=generator, dtype=torch.float64)
        jacobians, scales = [], []
        for _ in range(distance):
            a = Q @ h + noise * torch.randn(width, generator=generator, dtype=torch.float64)
            jacobians.append(layer_norm_jacobian(a) @ Q)
            scales.append(a.std(correction=0))
            h = (a - a.mean()) / scales[-1]
        sizes.append(h.square().mean().sqrt())
        products = state_jacobians(torch.stack(jacobians)).flip(0)
        gradients.append((products.flatten(1).norm(dim=1) / math.sqrt(width)).log10())
        logs = torch.stack(scales).log10().flip(0)
        bounds.append(-torch.cat((logs.new_zeros(1), logs.cumsum(0))))
    return torch.stack(sizes), torch.stack(gradients), torch.stack(bounds)


def normalized_relu_recurrence(
    noise: float, layer_norm: str = "after", distance: int = 50, width: int = 128, seeds: int = 5
) -> Tensor:
    """Gradient over ``distance`` steps of a ReLU network with one W ~ N(0, 1/width) and inputs u ~ N(0, noise²).

    ``h_t = LN(ReLU(W h_{t-1} + u_t))`` or, with the normalization before, ``h_t = ReLU(LN(W h_{t-1} + u_t))``.

    Returns:
        log10 of ‖∂h_T/∂h_0‖_F/√width, (seeds,).
    """
    require_number("noise", noise)
    if layer_norm not in ("after", "before"):
        raise ValueError(f'layer_norm: expected "after" or "before", got {layer_norm!r}')
    sizes = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        W = gaussian_weights(1, width, generator=generator)[0].double()
        h = torch.randn(width, generator=generator, dtype=torch.float64)
        product = torch.eye(width, dtype=torch.float64)
        for _ in range(distance):
            a = W @ h + noise * torch.randn(width, generator=generator, dtype=torch.float64)
            if layer_norm == "after":
                product = layer_norm_jacobian(a.relu()) @ (step_jacobian(W, (a > 0).double()) @ product)
                h = _normalized(a.relu())
            else:
                product = step_jacobian(layer_norm_jacobian(a), (_normalized(a) > 0).double()) @ (W @ product)
                h = _normalized(a).relu()
        sizes.append((product.norm() / math.sqrt(width)).log10())
    return torch.stack(sizes)


def residual_singular_values(depth: int = 100, width: int = 64, seeds: int = 5) -> Tensor:
    """log10 of all singular values of (I + W_L) … (I + W_1), W ~ N(0, 1/width): (seeds, width), largest first."""
    values = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        factors = torch.eye(width) + gaussian_weights(depth, width, generator=generator)
        values.append(log_singular_values(factors, torch.ones(depth, width)) / math.log(10))
    return torch.stack(values)


def train_deep(
    make: Callable[[Generator], nn.Sequential],
    width: int = 32,
    seeds: int = 5,
    rates: tuple[float, ...] = (0.001, 0.01, 0.1),
    steps: int = 60,
) -> Tensor:
    """Fit 32 random labels with deep networks and plain gradient descent, all seeds and step sizes at once.

    Each network gets inputs N(0, 1), labels ±1 and a fixed random linear readout of unit variance;
    the loss is the logistic one.

    Args:
        make: builds a network ``(B, width) -> (B, width)`` from a generator.
        width: number of units of a layer.
        seeds: number of networks.
        rates: step sizes tried for every seed.
        steps: number of steps.

    Returns:
        Loss (seeds, len(rates), steps) in nats, nan from the step at which a network diverged.
    """
    networks, data = [], []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        networks.append(make(generator))
        x = torch.randn(32, width, generator=generator)
        labels = torch.randint(0, 2, (32, 1), generator=generator) * 2.0 - 1
        readout = torch.randn(width, 1, generator=generator) / math.sqrt(width)
        data += [(x, labels, readout)] * len(rates)
    together = side_by_side([network for network in networks for _ in rates])
    weights = list(together.parameters())
    x, labels, readout = (torch.stack(parts) for parts in zip(*data, strict=True))
    rate = torch.tensor(rates).repeat(seeds).view(-1, 1, 1)
    history = torch.empty(steps, len(rate))
    for step in range(steps):
        losses = nn.functional.softplus(-labels * torch.bmm(together(x), readout)).mean((1, 2))
        gradients = torch.autograd.grad(losses.sum(), weights)  # no network sees another
        with torch.no_grad():
            history[step] = losses
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.addcmul_(rate, gradient, value=-1)
    return history.T.reshape(seeds, len(rates), steps)


def effective_dimension(make: Callable[[Generator], nn.Module], width: int = 32, seeds: int = 5) -> float:
    """In how many directions the outputs of 200 random inputs spread: (Σσ²)² / Σσ⁴ of the centered outputs.

    Returns:
        The median over seeds, between 1 (a line) and ``width``.
    """
    dimensions = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        network = make(generator)
        with torch.no_grad():
            outputs = network(torch.randn(200, width, generator=generator)).double()
        energy = torch.linalg.svdvals(outputs - outputs.mean(0)).square()
        dimensions.append(energy.sum() ** 2 / energy.square().sum())
    return float(torch.stack(dimensions).median())


def _normalized(x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x, x.shape, eps=0)


def _projection(direction: Tensor) -> Callable[[Tensor], Tensor]:
    """The linear loss with this gradient."""
    return lambda y: (y * direction).sum()


_ACTIVATIONS: dict[str, tuple[str, Callable[[Tensor], Tensor], Callable[[], nn.Module]]] = {
    "relu": ("ReLU", torch.relu, nn.ReLU),
    "gelu": ("GELU", nn.functional.gelu, nn.GELU),
    "tanh": ("tanh", torch.tanh, nn.Tanh),
    "sigmoid": ("сигмоида", torch.sigmoid, nn.Sigmoid),
}
_PLACES: dict[str, tuple[str, str, Normalization]] = {
    "after": ("LayerNorm после неё", "after", nn.LayerNorm),
    "before": ("LayerNorm до неё", "before", nn.LayerNorm),
    "rms": ("RMSNorm после неё", "after", nn.RMSNorm),
}


def growth_curves(depth: int = 50, width: int = 256, seeds: int = 3) -> dict[str, dict[str, float | list[float]]]:
    """How the error signal grows on its way back, for every activation and normalization of the moving figure.

    Returns:
        ``"relu-after"``, … → ``predicted`` and ``measured`` growth of the norm a layer, and ``curve``: the median over
        the seeds of ``log10(‖δ_l‖ / ‖δ_L‖)`` for the layers 1 … depth.
    """
    logs: dict[str, list[Tensor]] = {f"{name}-{place}": [] for name in _ACTIVATIONS for place in _PLACES}
    for seed in range(require_count("seeds", seeds)):
        generator = torch.Generator().manual_seed(seed)
        weights = gaussian_weights(depth, width, generator=generator)
        x, direction = torch.randn(2, 1, width, generator=generator)
        for name, (_, _, layer) in _ACTIVATIONS.items():
            for place, (_, side, kind) in _PLACES.items():
                network = deep_network(weights, layer, side, kind).requires_grad_(False)
                deltas = layer_gradient_norms(network, x, _projection(direction)).deltas
                logs[f"{name}-{place}"].append((deltas / deltas[-1]).log10())
    found: dict[str, dict[str, float | list[float]]] = {}
    for key, curves in logs.items():
        name, place = key.split("-")
        growth = gradient_growth(_ACTIVATIONS[name][1], _PLACES[place][1], centered=place != "rms")
        curve = torch.stack(curves).quantile(0.5, dim=0).tolist()
        measured = 10 ** (curve[0] / (depth - 1))
        rounded = [round(one, 3) for one in curve]
        found[key] = {"predicted": round(growth**0.5, 5), "measured": round(measured, 5), "curve": rounded}
    return found


def moving_chart(curves: dict[str, dict[str, float | list[float]]]) -> Chart:
    """The error signal by layer, measured and predicted, for the activation and the normalization that are chosen.

    Args:
        curves: from :func:`growth_curves`.
    """
    shown = curves["relu-after"]
    measured, predicted = shown["curve"], shown["predicted"]
    assert isinstance(measured, list) and isinstance(predicted, float)
    layers = range(1, len(measured) + 1)
    chart = Chart(titles=["Сигнал ошибки на пути назад"])
    line = [(layers[-1] - layer) * math.log10(predicted) for layer in layers]
    chart.ax.plot(layers, line, color=RED, linestyle="--", label="предсказано", gid="curve-predicted")
    chart.ax.plot(layers, measured, color=BLUE, linestyle="-", label="измерено", gid="curve-measured")
    chart.ax.axhline(0, color="black", linestyle=":", linewidth=1)
    chart.ax.set(xlabel="номер слоя $l$", ylabel=r"$\log_{10}(\|\delta_l\|/\|\delta_L\|)$", ylim=(-23, 6))
    chart.ax.legend(loc="lower right")
    chart.moves(
        "normalization",
        data=curves,
        activation=Choice("активация", {key: words for key, (words, *_) in _ACTIVATIONS.items()}, "relu"),
        place=Choice("нормализация", {key: words for key, (words, *_) in _PLACES.items()}, "after"),
    )
    return chart
