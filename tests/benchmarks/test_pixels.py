"""The script that reads digits pixel by pixel, from end to end on made-up digits of 7 × 7."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import pytest
import torch
from pixels import KINDS, main, read_idx


def write_idx(path: Path, values: torch.Tensor) -> None:
    data = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    data += values.to(torch.uint8).numpy().tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Two «digits»: light above, or light below; half of the files packed."""
    generator = torch.Generator().manual_seed(0)
    for name, count in (("train", 96), ("t10k", 40)):
        labels = torch.randint(0, 2, (count,), generator=generator)
        images = torch.randint(0, 60, (count, 7, 7), generator=generator)
        images[:, :3] += 190 * (labels == 0)[:, None, None]
        images[:, 4:] += 190 * (labels == 1)[:, None, None]
        write_idx(tmp_path / f"{name}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte", labels)
    return tmp_path


def run(folder: Path, out: Path, *more: str) -> dict:
    small = ["--hidden", "8", "--batch", "16", "--seeds", "2", "--device", "cpu"]
    main(["--data", str(folder), "--out", str(out), *small, *more])
    return json.loads(out.read_text(encoding="utf-8"))


def test_every_model_runs_from_the_files_to_the_record(digits: Path, tmp_path: Path) -> None:
    record = run(digits, tmp_path / "all.json", "--passes", "1", "--rates", "0.01")
    assert [(r["kind"], r["seed"]) for r in record["runs"]] == [(kind, seed) for kind in KINDS for seed in (1, 2)]
    assert all([point[0] for point in r["curve"]] == [0, 1] for r in record["runs"])
    assert record["settings"]["length"] == 49 and record["device"] and record["torch"] == torch.__version__


def test_a_gru_learns_the_two_digits_and_a_search_prefers_the_rate_at_which_it_does(
    digits: Path, tmp_path: Path
) -> None:
    options = ["--kinds", "GRU", "--passes", "12", "--search", "--rates", "0.000001", "0.03"]
    record = run(digits, tmp_path / "gru.json", *options)
    final = [r for r in record["runs"] if r["seed"] > 0]
    assert len(final) == 2 and all(r["lr"] == 0.03 and r["curve"][-1][2] > 0.9 for r in final)


def test_a_run_that_was_cut_off_goes_on_where_it_stopped(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "cut.json"
    options = ["--passes", "1", "--rates", "0.01", "--kinds", "tanh", "GRU"]
    whole = run(digits, out, *options)
    cut = {**whole, "runs": whole["runs"][:3]}
    out.write_text(json.dumps(cut), encoding="utf-8")
    again = run(digits, out, *options)
    assert again["runs"] == whole["runs"]
    with pytest.raises(SystemExit, match="other settings"):
        run(digits, out, "--passes", "2", "--rates", "0.01")


@pytest.mark.parametrize(("task", "chance"), [("adding", 1 / 6), ("copying", 2.0794)])
def test_made_tasks_run_and_start_near_the_constant_answer(
    task: str, chance: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixels.PASS", 3)
    monkeypatch.setattr("pixels.FRESH", 300)
    out = tmp_path / f"{task}.json"
    small = ["--hidden", "8", "--batch", "8", "--seeds", "1", "--passes", "2", "--rates", "0.001", "--device", "cpu"]
    main(["--task", task, "--length", "20", "--kinds", "GRU", "LRU", "--out", str(out), *small])
    for r in json.loads(out.read_text(encoding="utf-8"))["runs"]:
        assert 0.5 * chance < r["curve"][-1][2] < 10 * chance


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train-images").write_bytes(b"\0\0\x08\x01\0\0\0\x09abc")
    with pytest.raises(SystemExit, match="train-images is not an idx file"):
        read_idx(tmp_path, "train-images")
    with pytest.raises(SystemExit, match="t10k-labels"):
        read_idx(tmp_path, "t10k-labels")
