"""The fan of singular values of a product of Jacobians, and the recorded benchmark."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from gradflow.jacobians import log_singular_values


def singular_value_fan(W: Tensor, slopes: Tensor, lengths: Sequence[int]) -> Tensor:
    """log10 of the singular values of ``J_T … J_1`` for every ``T`` in ``lengths``, ``(len(lengths), D)``."""
    return torch.stack([log_singular_values(W, slopes[:T]) for T in lengths]) / math.log(10)


def recorded_benchmark(cases: Sequence[tuple[int, int]]) -> tuple[list[list[float]], list[float], float]:
    """The last recorded run of ``code/benchmarks/jacobians.py``: ways to the Jacobian of a tanh network in float32.

    The ways are ``scaled_jacobian_product``, ``diag(s) @ W @ P``, ``torch.func.jacrev``,
    ``torch.autograd.functional.jacobian`` and, as a limit that gives no Jacobian, ``T`` bare products of matrices.

    Args:
        cases: pairs ``(D, T)`` among (128, 50), (128, 1000) and (256, 1000).

    Returns:
        The time of each way in each case, in units of the first way; the relative error of each way but the limit in
        the last case (1 where it returned zero); and how many times a subnormal factor slowed a product down.

    Raises:
        ValueError: a case that is not recorded.
    """
    record = json.loads(Path(__file__).with_name("benchmark.json").read_text(encoding="utf-8"))
    runs: dict[tuple[int, int], list[dict[str, float]]] = {}
    for row in record["rows"]:
        if row["activation"] == "tanh":
            runs.setdefault((row["D"], row["T"]), []).append(row)
    for case in cases:
        if case not in runs:
            raise ValueError(f"cases: expected pairs (D, T) among {sorted(runs)}, got {case}")
    times = [[row["times_ours"] for row in way] for way in zip(*(runs[case] for case in cases), strict=True)]
    return times, [row["relative_error"] for row in runs[cases[-1]][:-1]], record["subnormal_slowdown"]
