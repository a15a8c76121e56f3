"""What watches a reader's function while it runs: may it differentiate, and how large may a tensor become?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.autograd.forward_ad import unpack_dual
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from gradflow.exercises._runner import RefusedError

AUTOGRAD = "Здесь производную надо вычислить самим: autograd и torch.func в этой задаче не в счёт."
TOO_LARGE = "Появился тензор из {} чисел, а хватает {}: задача решается без больших матриц."


@dataclass(frozen=True)
class Guard:
    """The rules of one exercise.

    Attributes:
        by_hand: the function may not differentiate automatically.
        most_elements: from the arguments, how many elements a tensor that the function makes may have.
    """

    by_hand: bool = False
    most_elements: Callable[[Sequence[Any]], int] | None = None

    def __call__(self, arguments: Sequence[Any]) -> TorchFunctionMode:
        """Watch over one call with these arguments."""
        return _Watch(self.by_hand, self.most_elements(arguments) if self.most_elements else None)


class _Watch(TorchFunctionMode):
    """Sees every operation of torch in its thread. Inside a transform of ``torch.func`` tensors require grad, too."""

    def __init__(self, by_hand: bool, most_elements: int | None) -> None:
        super().__init__()
        self.by_hand = by_hand
        self.most_elements = most_elements

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if self.by_hand and any(t.requires_grad or unpack_dual(t).tangent is not None for t in tensors):
            raise RefusedError(AUTOGRAD)
        largest = max((t.numel() for t in tensors), default=0)
        if self.most_elements is not None and largest > self.most_elements:
            raise RefusedError(TOO_LARGE.format(largest, self.most_elements))
        return result
