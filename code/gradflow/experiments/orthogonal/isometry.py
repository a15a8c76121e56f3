"""What different activations do to the Jacobian of many steps with one and the same matrix W."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gradflow._validation import require_square, require_tensor


def jacobian_products(W: Tensor, drive: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """dh_t/dh_0 for all t of h_t = f(W h_{t-1} + u_t), h_0 = 0, for S networks at once.

    Args:
        W: (S, H, H).
        drive: (T, S, H), the inputs u_t.
        activation: acts on the last dimension; it need not act on every unit alone.

    Returns:
        (T, S, H, H).

    Raises:
        ValueError: shapes that do not match.
    """
    require_square("W", W)
    require_tensor("drive", drive, ndim=3)
    if W.ndim != 3 or drive.shape[1:] != W.shape[:2]:
        raise ValueError(f"drive: expected (T, S, H) and W (S, H, H), got {tuple(drive.shape)} and {tuple(W.shape)}")
    h, currents = torch.zeros_like(drive[0]), []
    for u in drive.unbind():
        currents.append((W @ h.unsqueeze(-1)).squeeze(-1) + u)
        h = activation(currents[-1])
    slopes = row_jacobians(activation, torch.stack(currents))  # (T, S, H, H)
    P = torch.eye(W.shape[-1], dtype=W.dtype, device=W.device)
    products = []
    for J in slopes @ W:
        P = J @ P
        products.append(P)
    return torch.stack(products)


def row_jacobians(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Jacobian of ``function``, which acts on the last dimension, at every row: ``(…, n)`` -> ``(…, n, n)``."""
    x = x.detach().requires_grad_()
    y = function(x)
    rows = [torch.autograd.grad(part.sum(), x, retain_graph=True)[0] for part in y.unbind(-1)]
    return torch.stack(rows, -2)
