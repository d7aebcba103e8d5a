"""Checkpoints on a disk that is full, and after a kill: whole, or the one before."""

from pathlib import Path

import pytest
import torch

from v2a_lightning.checkpoint_files import WholeCheckpoints
from v2a_lightning.errors import RunFailure

from .disks import no_file_above

WRITER = WholeCheckpoints()


def write(path: Path, value: float) -> None:
    WRITER.save_checkpoint({"weights": torch.full((50_000,), value)}, path)


def value(path: Path) -> float:
    return float(WRITER.load_checkpoint(path, weights_only=True)["weights"][0])


def test_a_full_disk_is_one_line_and_leaves_the_last_good_one(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write(path, 1.0)
    with no_file_above(100_000), pytest.raises(RunFailure, match=r"last\.ckpt cannot be written: File too large"):
        write(path, 2.0)
    assert value(path) == 1.0
    assert [one.name for one in tmp_path.iterdir()] == ["last.ckpt"]


def test_nothing_is_written_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The folder for temporary files may be another disk; here it is one where nothing can be written.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    write(tmp_path / "run" / "best.ckpt", 1.0)
    assert value(tmp_path / "run" / "best.ckpt") == 1.0


def test_the_one_before_is_kept_of_last_alone(tmp_path: Path) -> None:
    for number in (1.0, 2.0, 3.0):
        for name in ("last", "best"):
            write(tmp_path / f"{name}.ckpt", number)
    assert {path.name: value(path) for path in tmp_path.iterdir()} == {
        "last.ckpt": 3.0, "last-previous.ckpt": 2.0, "best.ckpt": 3.0
    }  # fmt: skip


def test_what_a_kill_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".last.abcdefgh.ckpt").write_bytes(b"half")
    write(tmp_path / "last.ckpt", 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_url_is_written_as_before() -> None:
    WRITER.save_checkpoint({"weights": torch.ones(3)}, "memory://checkpoints/last.ckpt")
    assert value("memory://checkpoints/last.ckpt") == 1.0  # type: ignore[arg-type]
