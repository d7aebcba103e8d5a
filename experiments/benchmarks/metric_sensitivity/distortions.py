"""How each metric responds to a known harm, in growing doses."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from v2a_lightning.evaluation.catalogue import CATALOGUE
from v2a_lightning.evaluation.features import Waveform
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
    doses: dict[str, Callable[[Sequence[Waveform]], list[Waveform]]]


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


def add_noise(waveform: Waveform, decibels: float) -> Waveform:
    """White noise `decibels` below the sound's power, the same for the same sound."""
    noise = np.random.default_rng(zlib.crc32(waveform.tobytes())).standard_normal(len(waveform))
    level = np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) * 10 ** (-decibels / 20)
    return (waveform + level * noise).astype(np.float32)


def low_pass(waveform: Waveform, hertz: float, rate: int) -> Waveform:
    """An eighth-order Butterworth filter, forwards and backwards."""
    from scipy.signal import butter, sosfiltfilt

    return sosfiltfilt(butter(8, hertz, fs=rate, output="sos"), waveform).astype(np.float32)


def rotate(waveforms: Sequence[Waveform]) -> list[Waveform]:
    """Each sound in the next one's place."""
    return [*waveforms[1:], *waveforms[:1]]


def mute(waveforms: Sequence[Waveform]) -> list[Waveform]:
    """Digital silence of the same length."""
    return [np.zeros_like(waveform) for waveform in waveforms]


def responses(
    suite: EvaluationSuite,
    distortion: Distortion,
    clips: Sequence[str],
    waveforms: Sequence[Waveform],
    frames: Sequence[Tensor],
    texts: Sequence[str] | None = None,
) -> dict[str, list[float]]:
    """Each metric's value on the untouched sounds and after each dose; the references are the untouched sounds."""
    rate, table = suite.extractors["tagger"].sample_rate, []
    labels = [None] * len(clips) if texts is None else texts
    for harmed in [list(waveforms), *(dose(waveforms) for dose in distortion.doses.values())]:
        suite.reset()
        for clip_id, sound, own, seen, text in zip(clips, harmed, waveforms, frames, labels, strict=True):
            suite.add(clip_id, (sound, rate), (own, rate), seen, text)
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


def _each(harm: Callable[..., Waveform], *dose: float) -> Callable[[Sequence[Waveform]], list[Waveform]]:
    return lambda waveforms: [harm(waveform, *dose) for waveform in waveforms]


def _share(
    harm: Callable[[Sequence[Waveform]], list[Waveform]], share: float
) -> Callable[[Sequence[Waveform]], list[Waveform]]:
    def part(waveforms: Sequence[Waveform]) -> list[Waveform]:
        """A larger share harms the clips of a smaller one and more."""
        chosen = np.random.default_rng(SEED).permutation(len(waveforms))[: round(share * len(waveforms))]
        result = list(waveforms)
        for place, waveform in zip(chosen, harm([waveforms[place] for place in chosen]), strict=True):
            result[place] = waveform
        return result

    return part
