"""What layer normalization does to gradients: its Jacobian, and the growth per layer it leads to.

``layer_norm_jacobian`` is exact for one vector; ``gradient_growth`` is the mean-field prediction
for a deep random network, normalized before or after the activation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gradflow._quadrature import GAUSSIAN_NODES, GAUSSIAN_WEIGHTS
from gradflow._validation import (
    ask,
    require_callable,
    require_choice,
    require_finite,
    require_number,
    require_positive,
    require_tensor,
)


def layer_norm_jacobian(x: Tensor, eps: float = 0.0) -> Tensor:
    """Jacobian of layer normalization without trainable scale and shift.

    Args:
        x: (D,) with D >= 2, not constant unless ``eps`` is positive.
        eps: non-negative, added to the variance under the root; ``torch.nn.LayerNorm`` has 1e-5.

    Returns:
        (D, D) symmetric matrix ``(I - 11ᵀ/D - x̂x̂ᵀ/D) / s`` with ``s = √(var x + eps)`` and x̂ the normalized vector.

    Raises:
        ValueError: ``x`` is not a finite vector of at least two elements, is constant at ``eps = 0``,
            or ``eps`` is negative.

    Source: Ba, Kiros, Hinton 2016; the Jacobian is a direct calculation.
    """
    require_tensor("x", x, ndim=1)
    size = len(x)
    if size < 2:
        raise ValueError(f"x: expected at least 2 elements, got {size}")
    eps = require_number("eps", eps)
    if eps < 0:
        raise ValueError(f"eps: expected a number >= 0, got {eps!r}")
    centered = x.double() - x.double().mean()  # squares of what float32 holds fit into float64
    s = (centered.square().mean() + eps).sqrt()
    if s == 0:
        raise ValueError("x: expected a vector that is not constant (its variance is 0 and eps is 0)")
    require_finite("x: the standard deviation", s)
    normalized = centered / s
    identity = torch.eye(size, dtype=torch.float64, device=x.device)
    jacobian = ((identity - 1 / size - torch.outer(normalized, normalized) / size) / s).to(x.dtype)
    require_finite("x: the Jacobian", jacobian)
    return jacobian


def gradient_growth(
    activation: Callable[[Tensor], Tensor],
    layer_norm: str,
    sigma: float = 1.0,
    *,
    bias: float = 0.0,
    centered: bool = True,
) -> float:
    """Factor of the mean squared gradient per layer, from output to input, in a wide random network.

    The weights are N(0, sigma²/D), the biases N(0, bias²), τ² = sigma² + bias². After the activation
    χ = sigma² E f'(τZ)² / Var f(τZ), at least 1 without biases by the Gaussian Poincaré inequality; before it
    χ = sigma² E f'(Z)² / (sigma² E f(Z)² + bias²).
    Mean field: the width is infinite and the weights of the backward pass are taken as independent
    of the forward pass.

    Args:
        activation: elementwise function f of a float64 tensor, differentiable almost everywhere.
        layer_norm: ``"after"`` or ``"before"`` the activation.
        sigma: positive scale of the weights.
        bias: scale of the biases.
        centered: False divides by the root mean square and subtracts no mean (RMSNorm): E f² takes the place of Var f.

    Returns:
        χ. The gradient's norm grows by √χ a layer.

    Raises:
        ValueError: ``layer_norm`` is unknown, ``sigma`` is not positive, ``bias`` not finite, or the activation is
            constant.

    Source: our own derivation; the inequality is due to Nash 1958.
    """
    require_callable("activation", activation)
    require_choice("layer_norm", layer_norm, ("after", "before"))
    weights = require_positive("sigma", sigma, torch.float64) ** 2
    biases = require_number("bias", bias, torch.float64) ** 2
    spread = (weights + biases) ** 0.5 if layer_norm == "after" else 1.0
    a = (spread * GAUSSIAN_NODES).requires_grad_()
    value = ask("activation", activation, a)
    if not isinstance(value, Tensor) or value.shape != a.shape or not value.requires_grad:
        raise ValueError("activation: expected a differentiable function of each element, got another")
    (slope,) = torch.autograd.grad(value.sum(), a)
    value = value.detach()
    signal = (GAUSSIAN_WEIGHTS * value.square()).sum()
    if layer_norm == "before":
        signal = weights * signal + biases
    elif centered:
        signal = signal - (GAUSSIAN_WEIGHTS * value).sum().square()
    if signal <= 0:
        raise ValueError("activation: expected a function that is not constant, got one without variance")
    growth = weights * (GAUSSIAN_WEIGHTS * slope.square()).sum() / signal
    require_finite("activation, sigma, bias: the factor", growth)
    return float(growth)
