"""Answers to the exercises on half precision, by other roads than the page's."""

from __future__ import annotations

import torch
from torch import Tensor

from gradflow.exercises import check
from tables import answers


def test_smallest_scale_is_the_first_that_numpy_keeps() -> None:
    import numpy as np

    survivors = [k for k in range(20) if np.float16(3e-9 * 2**k) > 0]
    assert check("smallest-loss-scale", survivors[0]).passed


def test_stuck_weight_is_the_first_that_does_not_move() -> None:
    w = torch.tensor([0.125, 0.25, 0.498, 0.5, 1.0]).to(torch.bfloat16)
    moved = (w.float() + 1e-3).to(torch.bfloat16) != w
    assert moved.tolist() == [True, True, True, False, False]
    assert check("stuck-weight", 0.5).passed


def by_hand(w: Tensor, lost: Tensor, update: Tensor) -> list[Tensor]:
    new = torch.empty_like(w)
    rest = torch.empty_like(lost)
    for i in range(len(w)):
        target = update[i] + lost[i].float()
        new[i] = (w[i].float() + target).bfloat16()
        rest[i] = (target - (new[i].float() - w[i].float())).bfloat16()
    return [new, rest]


def no_debt(w: Tensor, lost: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    new = (w.float() + update + lost.float()).bfloat16()
    return new, torch.zeros_like(lost)


def float32_debt(w: Tensor, lost: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    new, rest = by_hand(w, lost, update)
    return new, rest.float()


def swapped(w: Tensor, lost: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    new, rest = by_hand(w, lost, update)
    return rest, new


test_kahan_step = answers(
    "kahan-step", right=[by_hand], wrong=[(no_debt, "Часть 2"), (float32_debt, "тип float32"), (swapped, "Часть 1")]
)
