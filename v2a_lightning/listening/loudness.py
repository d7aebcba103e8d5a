"""Loudness of a sound as ITU-R BS.1770-4 defines it, and bringing sounds to one loudness."""

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.media import resample

Wave = NDArray[np.float32]

# The standard gives its filters for 48 kHz: first the head's shadow, then the high-pass.
FILTER_RATE = 48_000
HEAD = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
BLOCK_SECONDS, STEP_SECONDS = 0.4, 0.1
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0
# A levelled sound stays this far below full scale, in decibels, even when it is then quieter than the others.
HEADROOM_DB = 1.0


def loudness(wave: Wave, sample_rate: int) -> float:
    """Integrated loudness of a mono wave (N,) in LUFS; minus infinity for silence.

    Blocks of 0.4 s, gated at -70 LUFS and at 10 LU below the mean of what is left (BS.1770-4, annex 1). A sound shorter
    than a block is one block.
    """
    from scipy.signal import lfilter

    heard = resample(wave, sample_rate, FILTER_RATE).astype(np.float64)
    for numerator, denominator in (HEAD, HIGH_PASS):
        heard = lfilter(numerator, denominator, heard)
    power = _block_powers(heard)
    gated = power[power > _power(ABSOLUTE_GATE)]
    if not len(gated):
        return float("-inf")
    gated = gated[gated > gated.mean() * 10 ** (RELATIVE_GATE / 10)]
    return float(-0.691 + 10 * np.log10(gated.mean()))


def level(wave: Wave, sample_rate: int, target: float) -> tuple[Wave, float]:
    """A wave at `target` LUFS, or as near below as its peaks allow, and the gain in decibels; silence stays so."""
    found = loudness(wave, sample_rate)
    if not np.isfinite(found):
        return wave, 0.0
    room = -HEADROOM_DB - 20 * np.log10(float(np.abs(wave).max()))
    gain = min(target - found, room)
    return (wave * 10 ** (gain / 20)).astype(np.float32), float(gain)


def _block_powers(heard: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean square of blocks that overlap by three quarters."""
    block, step = round(BLOCK_SECONDS * FILTER_RATE), round(STEP_SECONDS * FILTER_RATE)
    if len(heard) <= block:
        return np.array([np.mean(heard**2)]) if len(heard) else np.zeros(0)
    windows = np.lib.stride_tricks.sliding_window_view(heard**2, block)[::step]
    return np.asarray(windows.mean(1))


def _power(units: float) -> float:
    return float(10 ** ((units + 0.691) / 10))
