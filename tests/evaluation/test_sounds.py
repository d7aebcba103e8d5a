import numpy as np
import pytest

from tests.evaluation.conftest import sound
from v2a_lightning.evaluation.features import Crop
from v2a_lightning.evaluation.records import find_faults


def test_all_of_a_sound_less_its_mean() -> None:
    waveform = sound(0) + 0.25
    heard = Crop().prepare(waveform, 16_000, 16_000)
    assert len(heard) == len(waveform)
    np.testing.assert_allclose(heard, waveform - waveform.mean(), atol=1e-6)


def test_a_crop_cuts_and_fills() -> None:
    waveform = sound(0, 2.0)
    cut = Crop(1.5).prepare(waveform, 16_000, 16_000)
    np.testing.assert_allclose(cut, waveform[:24_000] - waveform[:24_000].mean(), atol=1e-6)
    filled = Crop(2.5).prepare(waveform, 16_000, 16_000)
    assert len(filled) == 40_000
    assert not filled[32_000:].any()


def test_short_sounds_reach_one_second() -> None:
    heard = Crop().prepare(sound(0, 0.25), 16_000, 16_000)
    assert len(heard) == 16_000
    assert not heard[4000:].any()
    assert len(Crop().prepare(np.zeros(0, np.float32), 16_000, 16_000)) == 16_000
    with pytest.raises(ValueError, match="at least 1 s"):
        Crop(0.5)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled(rate: int) -> None:
    time = np.arange(2 * rate) / rate
    heard = Crop(2.0).prepare((0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32), rate, 16_000)
    assert len(heard) == 32_000
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    assert np.abs(heard - expected)[500:-500].max() < 2e-3


def test_faults() -> None:
    good = sound(0)
    assert find_faults(good, 16_000) == frozenset()
    assert find_faults(0.0009 * np.ones(16_000, np.float32), 16_000) == {"silent"}
    assert find_faults(np.clip(40 * good, -1, 1), 16_000) == {"clipped"}
    assert find_faults(good, 16_000, expected_seconds=2.6) == frozenset(), "a twentieth may be missing"
    assert find_faults(good, 16_000, expected_seconds=3.0) == {"short"}
    for missing, faults in ((0.045, set()), (0.055, {"short"})):
        part = good[: round((1 - missing) * len(good))]
        assert find_faults(part, 16_000, expected_seconds=len(good) / 16_000) == faults, missing
    for share, faults in ((0.0009, set()), (0.0011, {"clipped"})):
        loud = np.where(np.arange(len(good)) < share * len(good), np.float32(1), good)
        assert find_faults(loud, 16_000) == faults, share
    assert find_faults(np.zeros(100, np.float32), 16_000) == {"silent", "short"}
    for bad in (np.nan, np.inf):
        assert find_faults(np.append(good, np.float32(bad)), 16_000) == {"not_finite"}
