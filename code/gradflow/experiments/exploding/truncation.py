"""Truncated backpropagation through time, and how far its gradient is from the full one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradflow._global_seed import global_seed
from gradflow._validation import require_count, require_positive, require_tensor


def random_rnn(input_size: int, hidden_size: int, gain: float, *, generator: torch.Generator) -> nn.RNN:
    """A tanh ``nn.RNN`` without biases: recurrent matrix ``gain`` times an orthogonal one, float64.

    Input weights are N(0, 0.09), so that at a gain near 1 the units work on the bend of tanh.
    """
    require_positive("gain", gain)
    require_count("input_size", input_size), require_count("hidden_size", hidden_size)
    with global_seed():
        rnn = nn.RNN(input_size, hidden_size, bias=False).double()
    input_weight, recurrent_weight = rnn.all_weights[0]
    nn.init.orthogonal_(recurrent_weight, gain=gain, generator=generator)
    nn.init.normal_(input_weight, std=0.3, generator=generator)
    return rnn


def truncated_gradient(rnn: nn.RNN, x: Tensor, readout: Tensor, window: int) -> Tensor:
    """Gradient of the loss by the recurrent matrix with the state detached every ``window`` steps.

    The loss is the sum over all steps of <readout_t, h_t>, averaged over the batch.

    Args:
        rnn: one layer, one direction.
        x: (T, B, I) inputs.
        readout: (T, B, H), the derivative of the loss by the state at every step.
        window: length of a piece; ``window >= T`` gives the full gradient.

    Returns:
        (H, H).

    Raises:
        ValueError: shapes that do not match the network, or a window below 1.
    """
    require_tensor("x", x, ndim=3)
    require_tensor("readout", readout, ndim=3)
    require_count("window", window)
    if readout.shape != (*x.shape[:2], rnn.hidden_size):
        expected = (*x.shape[:2], rnn.hidden_size)
        raise ValueError(f"readout: expected shape {expected}, got {tuple(readout.shape)}")
    h = x.new_zeros(1, x.shape[1], rnn.hidden_size)
    loss = x.new_zeros(())
    for piece, weight in zip(x.split(window), readout.split(window), strict=True):
        output, h = rnn(piece, h.detach())
        loss = loss + (output * weight).sum() / x.shape[1]
    (gradient,) = torch.autograd.grad(loss, rnn.all_weights[0][1])
    return gradient
