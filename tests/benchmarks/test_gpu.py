"""The benchmark that somebody with a GPU runs, in small and on the CPU; and the one of what `fit` adds."""

import json
from pathlib import Path

import pytest

from experiments.benchmarks import gpu
from experiments.benchmarks.speed import fit


def test_it_writes_a_file_to_send_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "gpu.json"
    gpu.main(["--clips=10", "--batch=2", "--epochs=1", "--depth=1", f"--output={path}"])
    report = json.loads(path.read_text())
    assert "cores" in report["machine"]
    found = {row["what"]: row for row in report["rows"]}
    assert {what.partition(",")[0] for what in found} == {
        "epoch of 10 clips", "arithmetic of an epoch", "sampling of 2 clips", "saving a checkpoint"
    }  # fmt: skip
    assert all(row["value"] > 0 for row in found.values())
    # The goal is VGGSound's.
    assert all(row["goal"] is None for row in found.values())
    assert f"written to {path}" in capsys.readouterr().out


def test_a_fits_epochs_are_timed_in_turn_with_a_bare_loops() -> None:
    called = []
    epochs = fit.fit(
        "quickstart.yaml", ["--model.network.init_args.depth=1"], clips=7, batch_size=2, epochs=2,
        other=lambda: called.append(len(called)),
    )  # fmt: skip
    assert called == [0, 1, 2]
    assert len(epochs.timings) == len(epochs.others) == 2
    assert all(timing.wall > other.wall for timing, other in zip(epochs.timings, epochs.others, strict=True))
