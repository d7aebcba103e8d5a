"""Loudness by BS.1770."""

import numpy as np
import pytest

from v2a_lightning.listening.loudness import level, loudness


def tone(hertz: float, peak: float, rate: int, seconds: float = 2.0) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_the_standards_own_tone(rate: int) -> None:
    # BS.1770-4: a full-scale sine of 997 Hz in one channel is -3.01 LKFS.
    assert loudness(tone(997, 1.0, rate), rate) == pytest.approx(-3.01, abs=0.03)


def test_pauses_do_not_count() -> None:
    sounding = tone(997, 0.5, 48_000)
    with_pause = np.concatenate([sounding, np.zeros(480_000, np.float32)])
    assert loudness(with_pause, 48_000) == pytest.approx(loudness(sounding, 48_000), abs=0.6)


def test_level_brings_sounds_to_one_loudness() -> None:
    for peak in (0.01, 0.9):
        raised, gain = level(tone(600, peak, 16_000), 16_000, -23.0)
        assert loudness(raised, 16_000) == pytest.approx(-23.0, abs=0.01)
        assert gain == pytest.approx(20 * np.log10(np.abs(raised).max() / peak), abs=0.01)


def test_level_does_not_clip_and_leaves_silence() -> None:
    click = np.zeros(48_000, np.float32)
    click[1000:1010] = 0.5
    raised, _ = level(click, 48_000, -10.0)
    assert np.abs(raised).max() == pytest.approx(10 ** (-1 / 20), rel=1e-3)
    assert level(np.zeros(100, np.float32), 16_000, -23.0)[1] == 0.0
