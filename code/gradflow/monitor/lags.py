"""The gradient of a recurrent module by lag, from the gradient with respect to its input sequence.

The fused kernels of ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU`` hide their states from hooks, but not their input: what
arrives at step ``t`` of the input has passed through the states of every later step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence


def with_gradient(args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The same arguments with an input sequence that gets a gradient, or None if it does so anyway."""
    sequence = args[0] if args else None
    data = sequence.data if isinstance(sequence, PackedSequence) else sequence
    if not isinstance(data, Tensor) or not data.is_floating_point() or data.requires_grad:
        return None
    leaf = data.detach().requires_grad_()
    if isinstance(sequence, PackedSequence):
        return (sequence._replace(data=leaf), *args[1:])
    return (leaf, *args[1:])


def by_time(module: nn.RNNBase, sequence: Tensor | PackedSequence, gradient: Tensor | None) -> list[float]:
    """The norm of ``gradient``, which belongs to ``sequence`` (or to its data), at every time step; [] without one."""
    if gradient is None:
        return []
    if isinstance(sequence, PackedSequence):
        steps: Any = torch.split(gradient, sequence.batch_sizes.tolist())
    else:
        steps = gradient.unbind(1 if module.batch_first and gradient.ndim == 3 else 0)
    return [float(value) for value in torch.stack([torch.linalg.vector_norm(step.double()) for step in steps])]


def forget_bias(module: nn.Module) -> float | None:
    """The mean bias of the forget gates of an LSTM's first layer, or None for any other module."""
    if not isinstance(module, (nn.LSTM, nn.LSTMCell)) or not module.bias:
        return None
    suffix = "_l0" if isinstance(module, nn.LSTM) else ""
    gates = slice(module.hidden_size, 2 * module.hidden_size)
    both = getattr(module, f"bias_ih{suffix}") + getattr(module, f"bias_hh{suffix}")
    return float(both.detach()[gates].mean())
