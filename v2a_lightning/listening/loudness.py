"""Loudness of a sound as ITU-R BS.1770-4 defines it, and bringing sounds to one loudness."""

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.media import resample

Waveform = NDArray[np.float32]

# The standard gives its filters for 48 kHz; pyloudnorm has them under this name.
FILTER_RATE, FILTERS = 48_000, "DeMan"
BLOCK, STEP = 19_200, 4_800
# A levelled sound stays this far below full scale, in decibels, even when it is then quieter than the others.
HEADROOM_DB = 1.0


def loudness(waveform: Waveform, sample_rate: int) -> float:
    """Integrated loudness of a mono waveform (N,) in LUFS; minus infinity for silence.

    Blocks of 0.4 s, gated at -70 LUFS and at 10 LU below the mean of what is left (BS.1770-4, annex 1). A sound shorter
    than a block is one block.
    """
    from pyloudnorm import Meter

    samples = resample(waveform, sample_rate, FILTER_RATE).astype(np.float64)
    # Whole steps only: pyloudnorm takes a last block that is partly there for a quieter one.
    samples = samples[: BLOCK + max(0, len(samples) - BLOCK) // STEP * STEP]
    if not samples.any():
        return float("-inf")
    block_seconds = min(len(samples), BLOCK) / FILTER_RATE
    return float(Meter(FILTER_RATE, FILTERS, block_seconds).integrated_loudness(samples))


def level(waveform: Waveform, sample_rate: int, target: float) -> tuple[Waveform, float]:
    """A waveform at `target` LUFS, or as near below as its peaks allow, and the gain in decibels; silence stays so."""
    found = loudness(waveform, sample_rate)
    if not np.isfinite(found):
        return waveform, 0.0
    room = -HEADROOM_DB - 20 * np.log10(float(np.abs(waveform).max()))
    gain = min(target - found, room)
    return (waveform * 10 ** (gain / 20)).astype(np.float32), float(gain)
