"""The regularizer of Pascanu, Mikolov, Bengio 2013: every backward step should keep the norm.

Source: Pascanu, Mikolov, Bengio, ICML 2013, section 3.3. The paper differentiates only through the
immediate occurrence of W in every Jacobian; here autograd takes the whole derivative.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gradflow._validation import require_square, require_tensor


def omega(W: Tensor, drive: Tensor, readout: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of (||J_t^T delta_t|| / ||delta_t|| - 1)^2 for N tanh networks h_t = tanh(W h_{t-1} + u_t).

    Args:
        W: (N, H, H), usually requires grad.
        drive: (T, N, B, H) with T >= 2, the inputs u_t.
        readout: (N, B, H), the derivative of the loss by the last state.

    Returns:
        The penalty of each network (N,), differentiable, and the norms of delta_t = dloss/dh_t, (T, N, B).

    Raises:
        ValueError: shapes that do not match, or fewer than two steps.
    """
    require_square("W", W)
    require_tensor("drive", drive, ndim=4)
    require_tensor("readout", readout, ndim=3)
    fits = W.shape == (drive.shape[1], drive.shape[3], drive.shape[3]) and readout.shape == drive.shape[1:]
    if drive.shape[0] < 2 or not fits:
        raise ValueError(
            "W, drive, readout: expected (N, H, H), (T >= 2, N, B, H) and (N, B, H), "
            f"got {tuple(W.shape)}, {tuple(drive.shape)} and {tuple(readout.shape)}"
        )
    states = [torch.tanh(drive[0]).requires_grad_()]
    for u in drive[1:].unbind():
        states.append(torch.tanh(torch.baddbmm(u, states[-1], W.mT)))
    deltas = torch.autograd.grad((states[-1] * readout).sum(), states, create_graph=True)
    norms = torch.stack(deltas).norm(dim=-1)
    return (norms[:-1] / norms[1:] - 1).square().mean((0, 2)), norms.detach()
