"""Sound stands where its timestamps say, without a seam for every rounded one."""

import numpy as np
import pytest

from v2a_lightning.media.placing import Piece, placed

RATE, SIZE = 48_000, 1024


def pieces(times: list[float | None]) -> list[Piece]:
    """One piece for each time in seconds; all samples together are 1, 2, 3, ..."""
    ramp = np.arange(1, 1 + SIZE * len(times), dtype=np.float32).reshape(-1, SIZE)
    return [(None if time is None else time * RATE, part) for time, part in zip(times, ramp, strict=True)]


def steady(count: int) -> list[float]:
    return [index * SIZE / RATE for index in range(count)]


def test_rounded_and_jittery_timestamps_make_no_seam() -> None:
    rounded = [round(time, 3) for time in steady(100)]
    jitter = np.random.default_rng(0).uniform(-0.02, 0.02, 100) * (np.arange(100) % 5 == 2)
    for times in (rounded, [time + float(late) for time, late in zip(steady(100), jitter, strict=True)]):
        np.testing.assert_array_equal(placed(pieces(times), RATE, None), np.arange(1, 1 + 100 * SIZE))


@pytest.mark.parametrize("seconds", [0.005, 0.02, 0.043, 0.5])
def test_gaps_of_any_length_are_silence_and_do_not_move_what_follows(seconds: float) -> None:
    times = [time + seconds * (index >= 40) + seconds * (index >= 60) for index, time in enumerate(steady(100))]
    waveform = placed(pieces(times), RATE, None)
    gap = round(seconds * RATE)
    assert len(waveform) == 100 * SIZE + 2 * gap
    assert not waveform[40 * SIZE : 40 * SIZE + gap].any()
    assert waveform[40 * SIZE + gap] == 1 + 40 * SIZE
    assert waveform[60 * SIZE + 2 * gap] == 1 + 60 * SIZE


def test_what_overlaps_is_cut_and_a_clock_that_starts_anew_goes_on() -> None:
    times = [time - 0.01 * (index >= 40) for index, time in enumerate(steady(100))]
    waveform = placed(pieces(times), RATE, None)
    assert len(waveform) == 100 * SIZE - 480
    assert waveform[-1] == 100 * SIZE
    again = placed(pieces(steady(50) + steady(50)), RATE, None)
    np.testing.assert_array_equal(again, np.arange(1, 1 + 100 * SIZE))


def test_a_slow_clock_is_followed() -> None:
    waveform = placed(pieces([1.001 * time for time in steady(1000)]), RATE, None)
    for index in range(0, 1000, 100):
        assert np.flatnonzero(waveform == 1 + index * SIZE)[0] == pytest.approx(1.001 * index * SIZE, abs=0.003 * RATE)


def test_the_beginning_and_the_end_are_cut() -> None:
    times = [time - 0.1 for time in steady(100)]
    np.testing.assert_array_equal(placed(pieces(times), RATE, 500), np.arange(4801, 5301))
    assert not placed(pieces([0.1, None, None]), RATE, None)[:4800].any()
    np.testing.assert_array_equal(placed(pieces([None] * 3), RATE, None), np.arange(1, 1 + 3 * SIZE))
    assert placed([], RATE, 10).shape == (0,)
