"""Temporal order of long sequences, for the page that compares all cures: who learns lengths 50 and 100?

    python code/benchmarks/temporal_order.py --out code/gradflow/experiments/comparison/temporal_order.json

Some fifteen minutes of one core. Networks, methods and what counts as a success are those of
``gradflow.experiments.comparison.temporal_order.order_table``.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch

from gradflow.experiments.comparison.temporal_order import ORDER_METHODS, order_table

RUNS = {50: (2000, 20), 100: (20000, 5)}
"""Largest number of training steps, and number of networks of each method, by length."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and write a row after every length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    record: dict[str, Any] = {"device": platform.machine(), "torch": torch.__version__}
    record |= {"recorded": date.today().isoformat(), "methods": list(ORDER_METHODS), "rows": []}
    for length, (steps, seeds) in RUNS.items():
        successes = order_table({length: steps}, seeds=seeds)[length]
        record["rows"].append({"length": length, "steps": steps, "seeds": seeds, "successes": successes})
        options.out.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
        print(length, steps, successes, flush=True)


if __name__ == "__main__":
    main()
