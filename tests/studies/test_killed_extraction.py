"""The harness of killed extractions at its smallest: nothing is lost, and what would be is counted."""

from pathlib import Path

import pytest

from experiments.benchmarks.killed_extraction import Outcome, data_module, judged, measured


def test_no_row_is_lost_or_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2A_CACHE", str(tmp_path / "cache"))
    outcome = measured(tmp_path, clips=2000, shards=2, kills=4, seconds=1.5, engine="here")
    assert outcome.kills >= 1
    assert (outcome.rows, outcome.rejects) == (1997, 3)
    assert (outcome.lost, outcome.doubled, outcome.wrong) == (0, 0, 0)
    data = data_module(tmp_path)
    with data.store.writer(data.encoders.spec()) as writer:
        writer.add_frames("clip_0000001", "synthetic", "train", "", [[0.0, 0.0, 0.0]])
    broken = judged(tmp_path, Outcome("here", 2001, 2, 0))
    assert (broken.lost, broken.doubled, broken.wrong) == (1, 1, 1)
