"""How each metric responds to a known harm, in growing doses."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor
from v2a_lightning.evaluation.sounds import Wave

from v2a_lightning.evaluation.catalogue import CATALOGUE
from v2a_lightning.evaluation.suite import EvaluationSuite

SEED = 0
Response = Literal["worse with each dose", "never better", "blind", "not monotone"]


@dataclass(frozen=True)
class Distortion:
    """A harm in growing doses.

    Args:
        title: what is done.
        doses: as a table heads them, and the function from all sounds to all harmed sounds.
    """

    title: str
    doses: dict[str, Callable[[Sequence[Wave]], list[Wave]]]


def distortions(rate: int) -> list[Distortion]:
    """Noise, low-pass, shuffled pairs, silence: four doses each."""
    return [
        Distortion("white noise, signal to noise ratio", {f"{db} dB": _each(add_noise, db) for db in (30, 20, 10, 0)}),
        Distortion(
            "low-pass, cut-off", {f"{hertz} Hz": _each(low_pass, hertz, rate) for hertz in (4000, 2000, 1000, 500)}
        ),
        Distortion("pairs shuffled, share of clips", {f"{s:.0%}": _share(rotate, s) for s in (0.25, 0.5, 0.75, 1.0)}),
        Distortion("silence, share of clips", {f"{s:.0%}": _share(mute, s) for s in (0.25, 0.5, 0.75, 1.0)}),
    ]


def add_noise(wave: Wave, decibels: float) -> Wave:
    """White noise `decibels` below the sound's power, the same for the same sound."""
    noise = np.random.default_rng(zlib.crc32(wave.tobytes())).standard_normal(len(wave))
    level = np.sqrt(np.mean(np.square(wave, dtype=np.float64))) * 10 ** (-decibels / 20)
    return (wave + level * noise).astype(np.float32)


def low_pass(wave: Wave, hertz: float, rate: int) -> Wave:
    """An eighth-order Butterworth filter, forwards and backwards."""
    from scipy.signal import butter, sosfiltfilt

    return sosfiltfilt(butter(8, hertz, fs=rate, output="sos"), wave).astype(np.float32)


def rotate(waves: Sequence[Wave]) -> list[Wave]:
    """Each sound in the next one's place."""
    return [*waves[1:], *waves[:1]]


def mute(waves: Sequence[Wave]) -> list[Wave]:
    """Digital silence of the same length."""
    return [np.zeros_like(wave) for wave in waves]


def responses(
    suite: EvaluationSuite,
    distortion: Distortion,
    clips: Sequence[str],
    waves: Sequence[Wave],
    frames: Sequence[Tensor],
    texts: Sequence[str] | None = None,
) -> dict[str, list[float]]:
    """Each metric's value on the untouched sounds and after each dose; the references are the untouched sounds."""
    rate, table = suite.ears["tagger"].sample_rate, []
    for harmed in [list(waves), *(dose(waves) for dose in distortion.doses.values())]:
        suite.reset()
        suite.update(clips, harmed, rate, waves, frames, texts)
        table.append({name: score.value for name, score in suite.scores().found.items()})
    return {name: [row[name] for row in table] for name in table[0]}


def response(name: str, values: Sequence[float]) -> Response:
    """In words, how a metric's values run from no dose to the strongest.

    A metric is blind when it moves by less than a thousandth of its largest value.
    """
    sign = 1.0 if CATALOGUE[name].better == "lower" else -1.0
    steps = sign * np.diff(values)
    if np.ptp(values) <= 1e-3 * np.abs(values).max() or np.ptp(values) < 1e-9:
        return "blind"
    if (steps > 0).all():
        return "worse with each dose"
    return "never better" if (steps >= 0).all() else "not monotone"


def _each(harm: Callable[..., Wave], *dose: float) -> Callable[[Sequence[Wave]], list[Wave]]:
    return lambda waves: [harm(wave, *dose) for wave in waves]


def _share(harm: Callable[[Sequence[Wave]], list[Wave]], share: float) -> Callable[[Sequence[Wave]], list[Wave]]:
    def part(waves: Sequence[Wave]) -> list[Wave]:
        """A larger share harms the clips of a smaller one and more."""
        chosen = np.random.default_rng(SEED).permutation(len(waves))[: round(share * len(waves))]
        result = list(waves)
        for place, wave in zip(chosen, harm([waves[place] for place in chosen]), strict=True):
            result[place] = wave
        return result

    return part
