"""Time and accuracy of four ways to the Jacobian of a recurrent network over T steps, and of its singular values.

    OMP_NUM_THREADS=1 python code/benchmarks/jacobians.py            # everything, several minutes
    OMP_NUM_THREADS=1 python code/benchmarks/jacobians.py --quick    # D = 64, T = 50 and 200, seconds
    OMP_NUM_THREADS=1 python code/benchmarks/jacobians.py --record FILE    # for the table of the chapter, whose
                                      # FILE is code/gradflow/experiments/jacobian_products/benchmark.json

The network is h_t = f(W h_{t-1} + x_t) in float32 with Gaussian W (gain 1 for tanh, sqrt 2 for ReLU) and noise x_t.
Methods take turns within each round, so that a load on the machine meets all of them. Times are CPU time on one
thread, medians over the rounds; ratios are medians of the ratios within a round. The error is ||P - P*||_F / ||P*||_F,
where P* is the product of the same Jacobians in float64 (for the two autograd methods, which run the network
themselves: of the Jacobians along the same float32 trajectory).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import mpmath
import torch
from torch import Tensor

from gradflow.jacobians import log_singular_values, scaled_jacobian_product
from gradflow.recurrent import driven_run

ACTIVATIONS = {"tanh": (torch.tanh, 1.0), "relu": (torch.relu, math.sqrt(2))}
RECORDED = [(128, 50), (128, 1000), (256, 1000)]  # what the page tells
OURS, LIMIT = "scaled product (gradflow)", "bare matrix products (limit)"


def network(D: int, T: int, activation: str, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """W (D, D), inputs (T, D) and the slopes (T, D) along the trajectory that starts at zero."""
    _, gain = ACTIVATIONS[activation]
    generator = torch.Generator().manual_seed(D + T)
    W = (gain / math.sqrt(D) * torch.randn(D, D, generator=generator)).to(dtype)
    inputs = (0.5 * torch.randn(T, D, generator=generator)).to(dtype)
    _, slopes = driven_run(W, inputs, activation)
    return W, inputs, slopes


def plain_product(W: Tensor, slopes: Tensor) -> Tensor:
    """What everybody writes first."""
    P = torch.eye(len(W), dtype=W.dtype)
    for s in slopes:
        P = torch.diag(s) @ W @ P
    return P


def exact_product(W: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """Of Frobenius norm 1, and the logarithm of its scale."""
    P, log_norm = torch.eye(len(W), dtype=W.dtype), torch.zeros((), dtype=W.dtype)
    for s in slopes:
        P = torch.diag(s) @ W @ P
        norm = torch.linalg.matrix_norm(P)
        P, log_norm = P / norm, log_norm + norm.log()
    return P, log_norm


def bare_products(Q: Tensor, T: int) -> Tensor:
    """T products and nothing else."""
    P = torch.eye(len(Q))
    for _ in range(T):
        P = Q @ P
    return P


def methods(W: Tensor, inputs: Tensor, slopes: Tensor, activation: str) -> dict[str, Callable[[], object]]:
    """What is compared, by the name in the table."""
    f, _ = ACTIVATIONS[activation]
    rows, start = inputs.unbind(0), torch.zeros(len(W))

    def last_state(h: Tensor) -> Tensor:
        for x in rows:
            h = f(W @ h + x)
        return h

    Q = torch.linalg.qr(W).Q.contiguous()  # orthogonal: its powers stay ordinary numbers
    return {
        OURS: lambda: scaled_jacobian_product(W, slopes),
        "plain diag(s) @ W @ P": lambda: plain_product(W, slopes),
        "torch.func.jacrev": lambda: torch.func.jacrev(last_state)(start),
        "autograd.functional.jacobian": lambda: torch.autograd.functional.jacobian(last_state, start, vectorize=True),
        LIMIT: lambda: bare_products(Q, len(slopes)),
    }


def relative_error(result: object, exact: tuple[Tensor, Tensor]) -> float:
    """Relative to the exact product; 1 where nothing is left of it."""
    P_exact, log_exact = exact
    P, log_norm = result if isinstance(result, tuple) else (result, torch.zeros(()))
    if P.count_nonzero() == 0:
        return 1.0
    return float(torch.linalg.matrix_norm(P.double() * torch.exp(log_norm - log_exact) - P_exact))


def cpu_seconds(call: Callable[[], object], at_least: float = 0.05) -> float:
    """CPU seconds of one call; a short one is called again until ``at_least`` seconds have gone by."""
    calls, start = 0, time.process_time()
    while time.process_time() - start < at_least:
        call()
        calls += 1
    return (time.process_time() - start) / calls


def compare(D: int, T: int, activation: str, repeats: int, budget: float) -> list[dict[str, object]]:
    """Print one block of the table; a method is repeated until ``repeats`` or ``budget`` seconds are reached."""
    block = []
    W, inputs, slopes = network(D, T, activation)
    exact = exact_product(W.double(), slopes.double())
    calls = methods(W, inputs, slopes, activation)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    errors: dict[str, float] = {}
    for _ in range(repeats):
        for name, call in calls.items():
            if sum(seconds[name]) < budget:
                if name not in errors:  # the first call also warms up
                    errors[name] = relative_error(call(), exact)
                seconds[name].append(cpu_seconds(call))
    for name, times in seconds.items():
        ratio = median(mine / limit for mine, limit in zip(times, seconds[OURS], strict=False))
        speed = median(limit / mine for mine, limit in zip(times, seconds[LIMIT], strict=False))
        block.append(
            {
                "activation": activation,
                "D": D,
                "T": T,
                "method": name,
                "times_ours": round(ratio, 2),
                "relative_error": None if name == LIMIT else float(f"{errors[name]:.1e}"),
            }
        )
        error = "—" if name == LIMIT else "returns 0" if errors[name] == 1 else f"{errors[name]:.1e}"
        print(
            f"{activation:5}{D:5}{T:6}  {name:30}{1e3 * median(times):10.1f}{ratio:9.2f}{speed:9.0%}{error:>12}"
            f"{len(times):5}"
        )
    return block


def compare_singular_values() -> None:
    """log10 of all singular values at D = 24, T = 100 against 150 decimal digits."""
    W, _, slopes = network(24, 100, "tanh", torch.float64)
    start = time.process_time()
    ours = log_singular_values(W, slopes) / math.log(10)
    seconds = time.process_time() - start
    with mpmath.workdps(150):
        exact_W, P = mpmath.matrix(W.tolist()), mpmath.eye(24)
        for s in slopes.tolist():
            P = mpmath.diag(s) * exact_W * P
        exact = torch.tensor([float(mpmath.log10(x)) for x in mpmath.svd_r(P, compute_uv=False)])
    candidates = {"log_singular_values (gradflow)": ours}
    for dtype in (torch.float32, torch.float64):
        formed = torch.linalg.svdvals(plain_product(W.to(dtype), slopes.to(dtype))).double().log10()
        candidates[f"SVD of the formed product, {str(dtype)[6:]}"] = formed
    print(
        f"\nSingular values, tanh, D = 24, T = 100: log10 from {exact[0]:.1f} to {exact[-1]:.1f} "
        f"({1e3 * seconds:.0f} ms)\n{'':42}{'right within 0.05':>18}{'largest error':>15}"
    )
    for name, values in candidates.items():
        error = (values - exact).abs()
        print(f"{name:42}{int((error < 0.05).sum()):>12} of 24{float(error.max()):15.1e}")


def compare_subnormal_speed(D: int = 256, repeats: int = 51) -> float:
    """Print and return what the same matrix product costs this processor when one factor is subnormal."""
    generator = torch.Generator().manual_seed(0)
    W, P = torch.randn(2, D, D, generator=generator)
    seconds: dict[float, list[float]] = {1.0: [], 1e-40: []}
    for _ in range(repeats):
        for scale, times in seconds.items():
            factor = P * scale
            start = time.process_time()
            W @ factor
            times.append(time.process_time() - start)
    ratio: float = median(slow / fast for fast, slow in zip(*seconds.values(), strict=True))
    print(
        f"\nA float32 product of {D} x {D} matrices with a subnormal factor takes {ratio:.1f} times the usual time."
        "\n(Near 1 where the hardware handles subnormals; 10 to 100 where microcode does, and then the plain product of"
        "\na thousand tanh factors slows down as much on its way to zero.)"
    )
    return ratio


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only D = 64 and T = 50, 200")
    parser.add_argument("--record", type=Path, help="write the ratios and errors to this JSON file, too")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--budget", type=float, default=15.0, help="seconds for one method in one row")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'f':5}{'D':>5}{'T':>6}  {'method':30}{'ms':>10}{'/ ours':>9}{'of limit':>9}{'rel. error':>12}{'runs':>5}")
    rows = []
    for activation in ACTIVATIONS:
        for D in (64,) if arguments.quick else (64, 128, 256):
            for T in (50, 200) if arguments.quick else (50, 200, 1000):
                rows += compare(D, T, activation, arguments.repeats, arguments.budget)
    compare_singular_values()
    slowdown = compare_subnormal_speed()
    if arguments.record:
        told = [row for row in rows if row["activation"] == "tanh" and (row["D"], row["T"]) in RECORDED]
        record = {"subnormal_slowdown": slowdown, "rows": told}
        arguments.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
