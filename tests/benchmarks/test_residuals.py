"""The script that records ways to start a deep transformer, from end to end at the smallest size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from residuals import main

from gradflow.experiments.transformer.training import RATES


def run(out: Path, *more: str) -> dict:
    main(["--out", str(out), "--depths", "1", "--seeds", "2", "--steps", "10", *more])
    return json.loads(out.read_text(encoding="utf-8"))


def test_the_record_has_a_run_a_row_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out = tmp_path / "record.json"
    first = run(out, "--rows", "ReZero")
    both = run(out, "--rows", "ReZero", "pre-LN")
    assert [run["row"] for run in both["runs"]] == ["ReZero", "pre-LN"] and both["runs"][0] == first["runs"][0]
    assert torch.tensor(both["runs"][1]["solved_at"]).shape == (len(RATES), 2)
    assert both["torch"] == torch.__version__ and both["device"] and both["settings"]["steps"] == 10


def test_other_settings_do_not_go_into_the_same_file(tmp_path: Path) -> None:
    run(tmp_path / "record.json", "--rows", "ReZero")
    with pytest.raises(SystemExit, match="other settings"):
        main(["--out", str(tmp_path / "record.json"), "--steps", "11", "--seeds", "2"])
