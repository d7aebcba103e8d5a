"""Musical instruments. Each plays short figures on a root note that its size decides."""

import numpy as np
from scipy import signal

from v2a_lightning.miniature.world.scenes import SAMPLE_RATE, Scene
from v2a_lightning.miniature.world.sounds.kit import (
    Random,
    Wave,
    band_noise,
    between,
    decay,
    onsets,
    place,
    resonate,
    rise_and_fall,
    saw,
    seconds,
    tone,
)

PENTATONIC = (1.0, 9 / 8, 5 / 4, 3 / 2, 5 / 3)


def _note(root: float, random: Random) -> float:
    """A note of the pentatonic scale on `root`, low notes more often, so that the root stays audible."""
    return root * float(random.choice(PENTATONIC, p=(0.4, 0.2, 0.15, 0.15, 0.1)))


def _rhythm(scene: Scene, random: Random, length: int, slow: float, fast: float) -> list[float]:
    return onsets(between(slow, fast, scene.speed), length / SAMPLE_RATE, scene.onset, random, 0.02)


def drum(scene: Scene, random: Random, length: int) -> Wave:
    """Hits on a skin: a tone that drops in pitch as it dies, and the slap of the stick."""
    pitch = between(300, 62, scene.size)

    def hit(_: int) -> Wave:
        time = seconds(0.45)
        skin = tone(pitch * (1 + 0.7 * np.exp(-time / 0.025)), time, [1, 0, 0.0]) * decay(time, 0.07)
        slap = band_noise(len(time), 300 + 1500 * scene.timbre, 5000, random) * decay(time, 0.014)
        return float(random.uniform(0.75, 1)) * (skin + 0.3 * slap)

    return place(length, _rhythm(scene, random, length, 1.6, 6.0), hit)


def flute(scene: Scene, random: Random, length: int) -> Wave:
    """Soft notes with vibrato and breath."""
    root = between(1250, 420, scene.size)
    gap = 1 / between(1.4, 4.5, scene.speed)

    def note(_: int) -> Wave:
        time = seconds(0.92 * gap)
        frequency = _note(root, random) * (1 + 0.007 * np.sin(2 * np.pi * 5.2 * time))
        breath = 0.09 * band_noise(len(time), 0.8 * root, 5 * root, random)
        return (tone(frequency, time, [1, 0.1 + 0.25 * scene.timbre, 0.06]) + breath) * rise_and_fall(time, 0.05, 0.05)

    return place(length, _rhythm(scene, random, length, 1.4, 4.5), note)


def guitar(scene: Scene, random: Random, length: int) -> Wave:
    """Strums of three plucked strings (Karplus and Strong's loop: a delay line with a low-pass filter)."""
    root = between(330, 85, scene.size)

    def string(frequency: float, time: Wave) -> Wave:
        period = round(SAMPLE_RATE / frequency)
        burst = np.zeros(len(time))
        burst[:period] = random.uniform(-1, 1, period)
        burst = signal.lfilter([1 - 0.7 * (1 - scene.timbre)], [1, -0.7 * (1 - scene.timbre)], burst)
        loop = np.zeros(period + 2)
        loop[0], loop[period], loop[period + 1] = 1.0, -0.498, -0.498
        return signal.lfilter([1.0], loop, burst)

    def strum(number: int) -> Wave:
        time = seconds(0.8)
        base = root * (1.0, 4 / 3, 3 / 2)[number % 3]
        chord = sum((string(base * ratio, time) for ratio in (1.0, 1.5, 2.0)), np.zeros(len(time)))
        return chord * rise_and_fall(time, 0.001, 0.1)

    return place(length, _rhythm(scene, random, length, 1.2, 3.6), strum)


def bell(scene: Scene, random: Random, length: int) -> Wave:
    """Strokes of a bell: inharmonic partials, the hum below the strike note, each dying at its own pace."""
    pitch = between(1500, 380, scene.size)
    partials = (
        (0.5, 0.35, 0.6),
        (1.0, 1.0, 0.45),
        (1.19, 0.6, 0.35),
        (1.5, 0.35, 0.25),
        (2.0, 0.5, 0.25),
        (2.74, 0.35, 0.12),
    )

    def stroke(_: int) -> Wave:
        time = seconds(1.6)
        wave = np.zeros(len(time))
        for ratio, amplitude, half_life in partials:
            ring = half_life * (0.6 + 0.8 * scene.timbre)
            wave += amplitude * np.sin(2 * np.pi * pitch * ratio * time) * decay(time, ring)
        return wave + 0.2 * band_noise(len(time), 2500, 6500, random) * decay(time, 0.008)

    return place(length, _rhythm(scene, random, length, 0.7, 2.4), stroke)


def piano(scene: Scene, random: Random, length: int) -> Wave:
    """Broken chords on stiff strings, struck by felt."""
    root = between(640, 120, scene.size)
    chord = (1.0, 1.25, 1.5, 2.0) if scene.timbre < 0.5 else (1.0, 1.2, 1.5, 2.0)

    def key(number: int) -> Wave:
        time = seconds(0.9)
        strings = tone(root * chord[number % 4], time, [1, 0.6, 0.35, 0.2, 0.12, 0.07, 0.04], stretch=6e-4)
        felt = 0.12 * band_noise(len(time), 100, 700, random) * decay(time, 0.02)
        return strings * decay(time, 0.19, attack=0.004) + felt

    return place(length, _rhythm(scene, random, length, 2.0, 6.0), key)


def trumpet(scene: Scene, random: Random, length: int) -> Wave:
    """Brassy notes: bright harmonics that open as the note swells."""
    root = between(720, 230, scene.size)
    gap = 1 / between(1.2, 4.0, scene.speed)

    def note(number: int) -> Wave:
        time = seconds(0.8 * gap)
        frequency = root * (1.0, 1.0, 1.25, 1.5)[number % 4] * (1 + 0.004 * np.sin(2 * np.pi * 6 * time))
        soft, bright = tone(frequency, time, saw(4, 1.0)), tone(frequency, time, saw(14, 0.35))
        opening: Wave = np.clip(time / 0.09, 0, 1) * (0.45 + 0.55 * scene.timbre)
        blown = soft * (1 - opening) + bright * opening
        return (blown + 0.4 * resonate(blown, [(1400.0, 500.0)])) * rise_and_fall(time, 0.03, 0.04)

    return place(length, _rhythm(scene, random, length, 1.2, 4.0), note)
