"""Lengths and rates, decided in one place each. Everything derived from them is a property here."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class FrameSpec:
    """Which frames of a clip are used: how many a second, of how many seconds."""

    frames_per_second: float = 1.0
    duration: float = 10.0

    def __post_init__(self) -> None:
        if not (0 < self.frames_per_second < math.inf and 0 < self.duration < math.inf):
            raise ValueError(f"frames_per_second and duration are positive, not {self}")

    @property
    def count(self) -> int:
        """Number of frames, at least one."""
        return max(1, int(self.frames_per_second * self.duration + 1e-6))

    @property
    def times(self) -> tuple[float, ...]:
        """Seconds from the clip's start: the middle of each of `count` equal parts."""
        return tuple((index + 0.5) * self.duration / self.count for index in range(self.count))

    @property
    def key(self) -> str:
        return f"frames-{self.frames_per_second:g}fps-{self.duration:g}s"

    @classmethod
    def from_key(cls, key: str) -> "FrameSpec":
        frames_per_second, duration = key.removeprefix("frames-").removesuffix("s").split("fps-")
        return cls(float(frames_per_second), float(duration))


@dataclass(frozen=True)
class AudioSpec:
    """Which sound of a clip is used: mono, `sample_rate` Hz, the first `duration` seconds."""

    sample_rate: int = 16_000
    duration: float = 10.0

    def __post_init__(self) -> None:
        if not (self.sample_rate > 0 and 0 < self.duration < math.inf):
            raise ValueError(f"sample_rate and duration are positive, not {self}")

    @property
    def samples(self) -> int:
        return round(self.sample_rate * self.duration)

    @property
    def key(self) -> str:
        return f"audio-{self.sample_rate}hz-{self.duration:g}s"
