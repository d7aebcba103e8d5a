"""Building blocks of the miniature's sounds. Waveforms: float64 (samples,) at `SAMPLE_RATE`, about 1 at the loudest."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy
from numpy.typing import NDArray

from v2a_lightning.miniature.world.scenes import SAMPLE_RATE, Scene

Waveform = NDArray[np.float64]
Random = np.random.Generator
Player = Callable[[Scene, Random, int], Waveform]
"""A scene's sound of so many samples."""
Voice = Callable[[Scene, Random, float], Waveform]


def between(low: float, high: float, position: float) -> float:
    """The number at `position` (0 to 1) between two positive ones, logarithmic, as pitch and rate are heard."""
    return float(low * (high / low) ** position)


def seconds(duration: float) -> Waveform:
    """Time stamps of `duration` seconds, at least one sample."""
    return np.arange(max(1, round(duration * SAMPLE_RATE))) / SAMPLE_RATE


def tone(frequency: float | Waveform, time: Waveform, partials: list[float], stretch: float = 0.0) -> Waveform:
    """Sum of harmonics with the given amplitudes, partial k at k * f * sqrt(1 + stretch * k^2) as on a stiff string.

    Partials above 95 % of half the sample rate are left out rather than folded back.
    """
    frequency = np.broadcast_to(np.asarray(frequency, dtype=float), time.shape)
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
    highest = float(frequency.max())
    waveform = np.zeros_like(time)
    for number, amplitude in enumerate(partials, start=1):
        ratio = number * math.sqrt(1 + stretch * number**2)
        if amplitude and ratio * highest < 0.475 * SAMPLE_RATE:
            waveform += amplitude * np.sin(ratio * phase)
    return waveform


def harmonics(count: int, slope: float = 1.0) -> list[float]:
    """Amplitudes of the first `count` harmonics, falling as 1 / k^slope."""
    return [1 / k**slope for k in range(1, count + 1)]


def band_noise(samples: int, low: float, high: float, random: Random, order: int = 2) -> Waveform:
    """Noise between two frequencies in Hz, of unit standard deviation."""
    top = min(high, 0.49 * SAMPLE_RATE)
    kind, edges = ("lowpass", top) if low <= 0 else ("bandpass", [low, top])
    sos = scipy.signal.butter(order, edges, kind, fs=SAMPLE_RATE, output="sos")
    waveform = scipy.signal.sosfilt(sos, random.standard_normal(samples + 800))[800:]
    return np.asarray(waveform / (waveform.std() + 1e-9))


def resonate(waveform: Waveform, formants: list[tuple[float, float]]) -> Waveform:
    """Pass a waveform through parallel resonances, each given as (centre in Hz, bandwidth in Hz)."""
    total = np.zeros_like(waveform)
    for centre, width in formants:
        numerator, denominator = scipy.signal.iirpeak(min(centre, 0.47 * SAMPLE_RATE), centre / width, fs=SAMPLE_RATE)
        total += scipy.signal.lfilter(numerator, denominator, waveform)
    return total


def rise_and_fall(time: Waveform, rise: float, fall: float) -> Waveform:
    """An envelope that rises over `rise` seconds, and falls over the last `fall` seconds."""
    duration = time[-1] + 1 / SAMPLE_RATE
    return np.asarray(np.clip(time / max(rise, 1e-4), 0, 1) * np.clip((duration - time) / max(fall, 1e-4), 0, 1))


def decay(time: Waveform, half_life: float, attack: float = 0.002) -> Waveform:
    """An envelope that jumps up and halves every `half_life` seconds, faded out at its end."""
    return np.asarray(
        np.clip(time / attack, 0, 1) * 0.5 ** (time / half_life) * np.clip((time[-1] - time) / 0.01, 0, 1)
    )


def onsets(rate: float, length: int, start: float, random: Random, jitter: float = 0.02) -> list[float]:
    """Times in seconds, within `length` samples, of an about regular rhythm of `rate` per second; `start` (0 to 1) is
    its phase."""
    period, end = 1 / rate, length / SAMPLE_RATE
    times = [(index + start - 1) * period + random.normal(0, jitter * period) for index in range(int(end / period) + 2)]
    return [time for time in times if -0.2 * period < time < end]


def rhythmic(slow: float, fast: float, jitter: float = 0.02) -> Callable[[Player], Player]:
    """Makes of a function for one event, `one(scene, random, number)`, a sound that repeats it `slow` to `fast` times a
    second, as the scene's speed says."""

    def decorated(one: Player) -> Player:
        def play(scene: Scene, random: Random, length: int) -> Waveform:
            times = onsets(between(slow, fast, scene.speed), length, scene.onset, random, jitter)
            return place(length, times, partial(one, scene, random))

        return play

    return decorated


def chorus(slow: float, fast: float, jitter: float = 0.08) -> Callable[[Voice], Player]:
    """As `rhythmic`, of a function `one(scene, random, detune)`: as many independent voices as the scene shows, each at
    a slightly different pitch and rate."""

    def decorated(one: Voice) -> Player:
        def play(scene: Scene, random: Random, length: int) -> Waveform:
            waveform, rate = np.zeros(length), between(slow, fast, scene.speed)
            for number in range(scene.count):
                detune = 1.0 if number == 0 else float(random.uniform(0.85, 1.18))
                phase = scene.onset if number == 0 else float(random.random())
                times = onsets(rate * float(random.uniform(0.92, 1.08)), length, phase, random, jitter)

                def sing(_: int, detune: float = detune) -> Waveform:
                    return one(scene, random, detune)

                waveform += place(length, times, sing)
            return waveform

        return play

    return decorated


def place(length: int, times: list[float], make: Callable[[int], Waveform]) -> Waveform:
    """Add up `make(number)` at each time; what would begin before 0 is cut at its beginning."""
    waveform = np.zeros(length)
    for number, time in enumerate(times):
        event = make(number)
        begin = round(time * SAMPLE_RATE)
        event = event[-begin:] if begin < 0 else event
        begin = max(begin, 0)
        stop = min(length, begin + len(event))
        if stop > begin:
            waveform[begin:stop] += event[: stop - begin]
    return waveform


def wander(samples: int, low: float, high: float, knots: int, random: Random) -> Waveform:
    """A smooth random curve between two values with about `knots` turns."""
    values = random.uniform(low, high, max(2, knots) + 1)
    return np.interp(np.linspace(0, len(values) - 1, samples), np.arange(len(values)), values)
