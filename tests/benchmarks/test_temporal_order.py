"""The script that records long sequences of temporal order, on short ones."""

import json

import temporal_order


def test_a_row_for_every_length(tmp_path, monkeypatch):
    monkeypatch.setattr(temporal_order, "RUNS", {10: (500, 3), 11: (50, 2)})
    out = tmp_path / "order.json"
    temporal_order.main(["--out", str(out)])
    record = json.loads(out.read_text(encoding="utf-8"))
    assert record["device"] and record["torch"] and record["recorded"]
    learned, too_short = record["rows"]
    assert learned == {"length": 10, "steps": 500, "seeds": 3, "successes": [3, 3, 3, 3]}
    assert too_short == {"length": 11, "steps": 50, "seeds": 2, "successes": [0, 0, 0, 0]}
