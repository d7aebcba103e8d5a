"""A run ends with its scores, what it wrote and the next command."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from v2a_lightning.app.endings import conclude

SCORES = {"val/fd": torch.tensor(12.345), "val/mine": torch.tensor(0.5), "train/loss": torch.tensor(3.0)}


def ended(command: str, folder: Path | None, metrics: dict[str, torch.Tensor], checkpoint: str | None = None) -> None:
    trainer: Any = SimpleNamespace(is_global_zero=True, callback_metrics=metrics, checkpoint_callbacks=[])
    conclude(command, trainer, folder, checkpoint)


def test_scores_are_a_table_with_their_direction(capsys: pytest.CaptureFixture[str]) -> None:
    ended("validate", None, SCORES)
    lines = [[one.strip() for one in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if len(line) == 2] == [["FD ↓", "12.35"], ["mine", "0.5"]]


def test_what_was_written_is_named_and_what_was_not_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.html").touch()
    ended("validate", tmp_path, {}, "a.ckpt")
    assert capsys.readouterr().out.splitlines() == [
        f"run: {tmp_path}",
        f"page: {tmp_path / 'report.html'}",
        f"next: python -m v2a_lightning test --config {tmp_path / 'config.yaml'} --ckpt_path a.ckpt",
    ]


def test_a_tests_sounds_are_scored_with_intervals_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = tmp_path / "audio" / "test" / "evaluate.yaml"
    options.parent.mkdir(parents=True)
    options.touch()
    ended("test", tmp_path, {"test/fd": torch.tensor(3.0), **SCORES}, "a.ckpt")
    told = capsys.readouterr().out
    assert "12.35" not in told
    assert f"next: python -m v2a_lightning evaluate --config {options}" in told
