"""Voices of the miniature's animals."""

from collections.abc import Callable
from functools import partial

import numpy as np

from v2a_lightning.miniature.world.scenes import SAMPLE_RATE, Scene
from v2a_lightning.miniature.world.sounds.kit import (
    Random,
    Wave,
    band_noise,
    between,
    onsets,
    place,
    resonate,
    rise_and_fall,
    saw,
    seconds,
    tone,
)


def _chorus(
    scene: Scene, random: Random, length: int, rate: float, voice: Callable[[float], Wave], jitter: float = 0.08
) -> Wave:
    """As many independent voices as the scene shows, each at its own slightly different pitch."""
    wave = np.zeros(length)
    for number in range(scene.count):
        detune = 1.0 if number == 0 else float(random.uniform(0.85, 1.18))
        phase = scene.onset if number == 0 else float(random.random())
        times = onsets(rate * float(random.uniform(0.92, 1.08)), length / SAMPLE_RATE, phase, random, jitter)
        wave += place(length, times, partial(_sung, voice, detune))
    return wave


def _sung(voice: Callable[[float], Wave], detune: float, _: int) -> Wave:
    return voice(detune)


def dog(scene: Scene, random: Random, length: int) -> Wave:
    """Barks: short harmonic bursts whose pitch falls, through two formants, with some breath."""
    pitch, rate = between(620, 170, scene.size), between(1.2, 4.2, scene.speed)

    def bark(detune: float) -> Wave:
        time = seconds(float(random.uniform(0.13, 0.2)))
        fall = pitch * detune * (1.25 - 0.55 * time / time[-1])
        voiced = tone(fall, time, saw(16, 0.7))
        formants = [(2.2 * pitch * detune, 180.0), (3.6 * pitch + 500 * scene.timbre, 350.0)]
        breath = 0.25 * band_noise(len(time), 500, 3500, random)
        return (resonate(voiced, formants) + 0.15 * voiced + breath) * rise_and_fall(time, 0.012, 0.09)

    return _chorus(scene, random, length, rate, bark)


def bird(scene: Scene, random: Random, length: int) -> Wave:
    """Chirps: fast upward and downward sweeps of an almost pure tone."""
    pitch, rate = between(5200, 2100, scene.size), between(2.0, 7.0, scene.speed)

    def chirp(detune: float) -> Wave:
        time = seconds(float(random.uniform(0.06, 0.12)))
        shape = np.sin(np.pi * time / time[-1]) if scene.timbre < 0.5 else 1 - 2 * time / time[-1]
        frequency = pitch * detune * (1 + 0.18 * shape + 0.02 * np.sin(2 * np.pi * 45 * time))
        return tone(frequency, time, [1, 0.12]) * rise_and_fall(time, 0.01, 0.03)

    return _chorus(scene, random, length, rate, chirp, jitter=0.15)


def frog(scene: Scene, random: Random, length: int) -> Wave:
    """Croaks: a buzz of pulses that ring at the body's resonance."""
    pitch, rate = between(1100, 330, scene.size), between(0.9, 2.6, scene.speed)

    def croak(detune: float) -> Wave:
        time = seconds(float(random.uniform(0.22, 0.34)))
        buzz = between(38, 70, scene.timbre) * (1 + 0.25 * time / time[-1])
        pulses = np.clip(np.sin(2 * np.pi * np.cumsum(buzz) / SAMPLE_RATE), 0, 1) ** 4
        return pulses * tone(pitch * detune, time, [1, 0.45, 0.2]) * rise_and_fall(time, 0.04, 0.06)

    return _chorus(scene, random, length, rate, croak)


def cow(scene: Scene, random: Random, length: int) -> Wave:
    """A long moo: low harmonics through slowly opening formants."""
    pitch = between(260, 95, scene.size)

    def moo(_: int) -> Wave:
        time = seconds(float(random.uniform(1.1, 1.6)))
        position = time / time[-1]
        glide = pitch * (0.88 + 0.25 * np.sin(np.pi * position) - 0.12 * position)
        voiced = tone(glide * (1 + 0.008 * np.sin(2 * np.pi * 5.5 * time)), time, saw(24, 0.9))
        formants = [(2.4 * pitch + 180 * scene.timbre, 110.0), (5.5 * pitch, 260.0)]
        return (resonate(voiced, formants) + 0.1 * voiced) * rise_and_fall(time, 0.18, 0.3)

    return place(length, [-0.1 + 0.55 * scene.onset, 1.75 + 0.5 * scene.onset], moo)


def cricket(scene: Scene, random: Random, length: int) -> Wave:
    """Chirrs: groups of three or four fast pulses of a high pure tone."""
    pitch, rate = between(6600, 3300, scene.size), between(1.6, 5.0, scene.speed)

    def chirr(detune: float) -> Wave:
        pulses = 3 if scene.timbre < 0.5 else 4
        time = seconds(pulses * 0.032)
        gate = np.clip(np.sin(2 * np.pi * time / 0.032), 0, 1) ** 0.5
        return tone(pitch * detune, time, [1, 0.05]) * gate

    return _chorus(scene, random, length, rate, chirr, jitter=0.03)


def owl(scene: Scene, random: Random, length: int) -> Wave:
    """Hoots: hoo, hoo-hoo, soft low tones with breath."""
    pitch = between(640, 230, scene.size)
    rhythm = [0.0, 0.55, 0.85] if scene.timbre < 0.5 else [0.0, 0.45, 0.9]

    def hoot(number: int) -> Wave:
        time = seconds(0.36 if number % 3 == 0 else 0.24)
        glide = pitch * (1 + 0.06 * np.sin(np.pi * time / time[-1]))
        breath = 0.05 * band_noise(len(time), 0.7 * pitch, 1.6 * pitch, random)
        return (tone(glide, time, [1, 0.16, 0.05]) + breath) * rise_and_fall(time, 0.07, 0.1)

    begin = -0.1 + 0.6 * scene.onset
    return place(length, [begin + cycle + beat for cycle in (0.0, 1.55) for beat in rhythm], hoot)
