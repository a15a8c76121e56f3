"""Deep networks of one architecture and different weights as one network: an operation of all costs little more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gradflow._validation import require_sequence


class ParallelLinear(nn.Module):
    """N linear layers without bias as one: ``(N, B, D)`` -> ``(N, B, K)``.

    Args:
        weights: N matrices ``(K, D)``, copied.
    """

    def __init__(self, weights: Sequence[Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([weight.detach() for weight in weights]))

    def forward(self, x: Tensor) -> Tensor:
        """Each network's layer on its own batch."""
        return torch.bmm(x, self.weight.mT)


def side_by_side(networks: Sequence[nn.Module]) -> nn.Module:
    """N networks of one architecture as one, which maps ``(N, B, D)`` to ``(N, B, D)``: no network sees another.

    Args:
        networks: differ in the weights of their linear layers alone; the first one is made into the result.

    Raises:
        ValueError: a linear layer with a bias, or no networks.
    """
    first: nn.Module = require_sequence("networks", networks, nn.Module)[0]
    for name, module in list(first.named_modules()):
        if isinstance(module, nn.Linear):
            layers = [network.get_submodule(name) for network in networks]
            if any(layer.bias is not None for layer in layers):
                raise ValueError(f"networks: expected linear layers without bias, got one in {name!r}")
            first.set_submodule(name, ParallelLinear([cast(Tensor, layer.weight) for layer in layers]))
    return first
