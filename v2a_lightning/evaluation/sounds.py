"""From a sound as it was made to the wave an extractor hears, and what is wrong with the sound."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
Fault = Literal["silent", "clipped", "short", "not_finite"]

CHANNELS = "mean of all channels"
RESAMPLER = "soxr HQ"
# VGGish needs 0.975 s for one example.
SHORTEST_SECONDS = 1.0
CLIPPED_LEVEL = 0.999
CLIPPED_SHARE = 1e-3
MISSING_SHARE = 0.05


@dataclass(frozen=True)
class Crop:
    """Which part of a sound is heard.

    Args:
        seconds: the first so many, shorter sounds filled up with silence; None for all of every sound.
    """

    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and self.seconds < SHORTEST_SECONDS:
            raise ValueError(f"at least {SHORTEST_SECONDS:g} s of a sound must be heard, not {self.seconds:g}")

    def __str__(self) -> str:
        part = "all of the sound" if self.seconds is None else f"the first {self.seconds:g} s"
        return f"{part}, less its mean, filled with silence to {self.seconds or SHORTEST_SECONDS:g} s"

    def prepare(self, wave: Wave, rate: int, target_rate: int) -> Wave:
        """(N,) at `rate` to (M,) at `target_rate`: cut, less its mean, resampled, filled up with silence."""
        from v2a_lightning.media import resample

        if self.seconds is not None:
            wave = wave[: round(self.seconds * rate)]
        if len(wave):
            wave = resample((wave - wave.mean(dtype=np.float64)).astype(np.float32), rate, target_rate)
        if self.seconds is not None:
            wave = wave[: round(self.seconds * target_rate)]
        missing = round((self.seconds or SHORTEST_SECONDS) * target_rate) - len(wave)
        return np.pad(wave, (0, max(0, missing)))


def find_faults(wave: Wave, rate: int, expected_seconds: float | None = None) -> frozenset[Fault]:
    """What is wrong with a sound (N,).

    Args:
        wave: samples in [-1, 1].
        rate: hertz.
        expected_seconds: how long it ought to be; a twentieth may be missing.

    Returns:
        any of "silent" (`media.is_silent`), "clipped" (a thousandth of the samples at full scale), "short" and
        "not_finite", which alone excludes the others.
    """
    from v2a_lightning.media import is_silent

    if not np.isfinite(wave).all():
        return frozenset({"not_finite"})
    faults: set[Fault] = set()
    level = np.abs(wave)
    if is_silent(wave):
        faults.add("silent")
    if len(wave) and (level >= CLIPPED_LEVEL).mean() > CLIPPED_SHARE:
        faults.add("clipped")
    if len(wave) / rate < (expected_seconds or SHORTEST_SECONDS) * (1 - MISSING_SHARE):
        faults.add("short")
    return frozenset(faults)
