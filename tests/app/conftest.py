"""Folders of sounds, and the reduced extractors of the metrics' tests."""

from pathlib import Path

import pytest

from tests.evaluation.conftest import RATE, extractors, sound
from v2a_lightning.media import write_waveform

__all__ = ["extractors"]

CLIPS = [f"id{index:02d}_000010" for index in range(7)]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Generated and reference wav files, and features kept inside the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for index, clip in enumerate(CLIPS):
        write_waveform(tmp_path / "made" / f"{clip}.wav", sound(100 + index), RATE)
        write_waveform(tmp_path / "own" / f"{clip}.wav", sound(index), RATE)
    return tmp_path
