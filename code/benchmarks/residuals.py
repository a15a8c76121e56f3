"""Ways to start a deep transformer: steps to the goal over depths 4…64, for the page on transformers.

    python code/benchmarks/residuals.py --out code/gradflow/experiments/transformer/residuals.json

Some twenty minutes of one core. Each depth of each way is written as soon as it ends, so a run that is cut off goes on
where it stopped: call it again with the same arguments. Networks, task and goal are those of
``gradflow.experiments.transformer.training.learn``; seeds are counted inside one stack of networks.
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

from gradflow.experiments.transformer.training import RATES, ROWS, SIZE, learn


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the output does not hold yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="JSON file, continued if it is there")
    parser.add_argument("--depths", nargs="+", type=int, default=(4, 8, 16, 32, 64))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=tuple(ROWS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    settings = {**SIZE, "rates": list(RATES), "seeds": options.seeds, "steps": options.steps, "optimizer": "Adam"}
    record: dict[str, Any] = {"settings": settings, "runs": []}
    if options.out.exists():
        record = json.loads(options.out.read_text(encoding="utf-8"))
        if record["settings"] != settings:
            raise SystemExit(f"--out: {options.out} holds runs with other settings: {record['settings']}")
    record |= {"device": platform.machine(), "torch": torch.__version__, "recorded": date.today().isoformat()}
    there = {(run["row"], run["depth"]) for run in record["runs"]}
    for depth in options.depths:
        for row in options.rows:
            if (row, depth) in there:
                continue
            scheme, warmup = ROWS[row]
            found = learn(scheme, depth, RATES, warmup=[warmup], steps=options.steps, nets=options.seeds)
            run = {"row": row, "depth": depth, "solved_at": found.solved_at.tolist()}
            record["runs"].append(run)
            draft = options.out.with_suffix(".part")
            draft.write_text(json.dumps(record, ensure_ascii=False, indent=None) + "\n", encoding="utf-8")
            draft.replace(options.out)
            print(f"{row:24} L={depth:<3} {run['solved_at']}", flush=True)


if __name__ == "__main__":
    main()
