"""The gradient of a recurrent network as its double sum, and with each of five usual mistakes."""

from __future__ import annotations

import torch
from torch import Tensor

from gradflow.jacobians import step_jacobian


def right_gradient(W: Tensor, states: Tensor, slopes: Tensor, loss_grads: Tensor) -> Tensor:
    r"""The double sum of :math:`D_kJ_{k+1}^\top\cdots J_t^\top\,\nabla_{h_t}\mathcal L_t\,h_{k-1}^\top` over k ≤ t.

    Args:
        W: (D, D).
        states: (T+1, D), h_0 first.
        slopes: (T, D).
        loss_grads: (T, D), the derivative of each step's own loss by the state of that step.

    Returns:
        (D, D).
    """
    pairs = _pairs(len(slopes))
    return sum(
        (_term(states, slopes, _chain(W, slopes, t, k), loss_grads, t, k) for t, k in pairs), torch.zeros_like(W)
    )


def mistaken_gradients(W: Tensor, states: Tensor, slopes: Tensor, loss_grads: Tensor) -> dict[str, Tensor]:
    """What comes out of the double sum with exactly one mistake in it. Arguments as in ``right_gradient``.

    Returns:
        Five gradients (D, D), by mistake:
        ``index``: the sum runs over ``i`` while its terms contain ``k``, read with ``k = t``;
        ``total``: the total derivative of h_k by W instead of the immediate one;
        ``order``: the factors of every product in increasing order;
        ``last``: the loss of the last step only;
        ``slope``: the slopes of step ``t`` in every factor of the product.
    """
    T = len(slopes)
    one = torch.eye(W.shape[0], dtype=W.dtype)
    zero = torch.zeros_like(W)
    right = {(t, k): _term(states, slopes, _chain(W, slopes, t, k), loss_grads, t, k) for t, k in _pairs(T)}
    return {
        # t + 1 equal terms, for i = 0 … t; with k = t the product is empty.
        "index": sum(((t + 1) * _term(states, slopes, one, loss_grads, t, t) for t in range(1, T + 1)), zero),
        # The derivative of h_k through all its own past: for each j <= k one more copy of the term (t, j).
        "total": sum((right[t, j] for t, k in _pairs(T) for j in range(1, k + 1)), zero),
        "order": sum(
            (_term(states, slopes, _chain(W, slopes, t, k, rising=True), loss_grads, t, k) for t, k in _pairs(T)), zero
        ),
        "last": sum((right[T, k] for k in range(1, T + 1)), zero),
        "slope": sum(
            (
                _term(
                    states, slopes, torch.linalg.matrix_power(step_jacobian(W, slopes[t - 1]), t - k), loss_grads, t, k
                )
                for t, k in _pairs(T)
            ),
            zero,
        ),
    }


def _pairs(T: int) -> list[tuple[int, int]]:
    return [(t, k) for t in range(1, T + 1) for k in range(1, t + 1)]


def _chain(W: Tensor, slopes: Tensor, t: int, k: int, rising: bool = False) -> Tensor:
    """J_t … J_{k+1}, or the same factors in rising order."""
    product = torch.eye(W.shape[0], dtype=W.dtype)
    for step in range(k + 1, t + 1):
        J = step_jacobian(W, slopes[step - 1])
        product = product @ J if rising else J @ product
    return product


def _term(states: Tensor, slopes: Tensor, chain: Tensor, loss_grads: Tensor, t: int, k: int) -> Tensor:
    return torch.outer(slopes[k - 1] * (chain.mT @ loss_grads[t - 1]), states[k - 1])
