"""Random recurrent networks whose gradient is taken apart by time."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from gradflow._validation import require_count
from gradflow.jacobians import step_jacobian
from gradflow.recurrent import driven_run

KINDS = ("default", "orthogonal", "gaussian")


def recurrent_matrix(kind: str, hidden_size: int, *, generator: Generator) -> Tensor:
    """A random matrix (H, H), float64.

    Args:
        kind: ``"default"`` as in ``torch.nn.RNN``, uniform in ±1/sqrt(H); ``"orthogonal"``; or ``"gaussian"`` with
            variance 4 / H.
        hidden_size: H.
        generator: source of random numbers.

    Raises:
        ValueError: an unknown kind, or a size below 1.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    require_count("hidden_size", hidden_size)
    W = torch.empty(hidden_size, hidden_size, dtype=torch.float64)
    if kind == "orthogonal":
        return nn.init.orthogonal_(W, generator=generator)
    if kind == "gaussian":
        return W.normal_(std=2 / hidden_size**0.5, generator=generator)
    return W.uniform_(-(hidden_size**-0.5), hidden_size**-0.5, generator=generator)


def noisy_run(W: Tensor, steps: int, *, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """h_t = tanh(W h_{t-1} + u_t) from zero with u_t ~ N(0, 1/4), and random derivatives of the losses.

    Returns:
        states (T+1, H), slopes (T, H) and loss_grads (T, H) with entries N(0, 1/H), as ``bptt_terms`` takes them.
    """
    require_count("steps", steps)
    hidden_size = len(W)
    drive, loss_grads = torch.randn(2, steps, hidden_size, generator=generator, dtype=W.dtype)
    return *driven_run(W, drive / 2, "tanh"), loss_grads / hidden_size**0.5


def term_norms(W: Tensor, states: Tensor, slopes: Tensor, loss_grads: Tensor) -> Tensor:
    """Frobenius norm of every term of the double sum.

    Returns:
        (T, T): row t, column k belong to the loss of step t + 1 and the use of ``W`` at step k + 1; nan for k > t.
    """
    T = len(slopes)
    norms = slopes.new_full((T, T), float("nan"))
    for t in range(T):
        v = loss_grads[t]
        for k in range(t, -1, -1):
            norms[t, k] = (slopes[k] * v).norm() * states[k].norm()
            v = step_jacobian(W, slopes[k]).mT @ v
    return norms
