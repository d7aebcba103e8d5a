"""Tools and machines."""

import numpy as np

from v2a_lightning.miniature.world.scenes import SAMPLE_RATE, Scene
from v2a_lightning.miniature.world.sounds.kit import (
    Random,
    Wave,
    band_noise,
    between,
    decay,
    onsets,
    place,
    seconds,
    tone,
    wander,
)


def hammer(scene: Scene, random: Random, length: int) -> Wave:
    """Blows on a nail: a thud of wood and a short metallic ring."""
    pitch = between(2600, 900, scene.size)

    def blow(_: int) -> Wave:
        time = seconds(0.22)
        ring = sum(
            (
                np.sin(2 * np.pi * pitch * ratio * time) * decay(time, life)
                for ratio, life in ((1.0, 0.03), (1.63, 0.022 + 0.02 * scene.timbre), (2.41, 0.014))
            ),
            np.zeros(len(time)),
        )
        thud = band_noise(len(time), 120, 600, random) * decay(time, 0.02)
        return float(random.uniform(0.8, 1)) * (0.7 * ring + 0.6 * thud)

    return place(length, onsets(between(1.4, 5.0, scene.speed), length / SAMPLE_RATE, scene.onset, random, 0.05), blow)


def saw(scene: Scene, random: Random, length: int) -> Wave:
    """Strokes forth and back: rough noise, brighter on the push than on the pull."""
    time = seconds(length / SAMPLE_RATE)
    phase = between(1.2, 3.4, scene.speed) * time + scene.onset
    stroke = np.sin(2 * np.pi * phase)
    teeth = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * between(150, 60, scene.size) * time))
    push = band_noise(length, 1800, between(6500, 4000, scene.size), random) * np.clip(stroke, 0, 1) ** 0.7
    pull = band_noise(length, 900, between(3800, 2200, scene.size), random) * np.clip(-stroke, 0, 1) ** 0.7
    return teeth * (push + (0.45 + 0.4 * scene.timbre) * pull)


def drill(scene: Scene, random: Random, length: int) -> Wave:
    """An electric drill: a steady whine of motor and gears that spins up and bites."""
    time = seconds(length / SAMPLE_RATE)
    pitch = between(430, 150, scene.size)
    begin = 0.45 * scene.onset
    spin = 1 - 0.7 * np.exp(-np.clip(time - begin, 0, None) / 0.12)
    load = 1 - between(0.03, 0.12, scene.speed) * wander(length, 0, 1, 8, random)
    motor = tone(pitch * spin * load, time, [1, 0.5, 0.6, 0.2, 0.15, 0.3, 0.1, 0.25])
    gears = tone(7.3 * pitch * spin * load, time, [0.3, 0.1])
    grit = 0.2 * band_noise(length, 1500, 6000, random) * (0.5 + scene.timbre)
    return (np.tanh(1.6 * motor) + gears + grit) * np.clip((time - begin) / 0.06, 0, 1)


def clock(scene: Scene, random: Random, length: int) -> Wave:
    """Tick and tock: tiny clicks in two colours, very regular."""
    pitch = between(4800, 2000, scene.size)

    def tick(number: int) -> Wave:
        time = seconds(0.05)
        colour = pitch * (1.0 if number % 2 == 0 else 0.78)
        click = band_noise(len(time), 0.75 * colour, 1.3 * colour, random) * decay(time, 0.004, attack=0.0004)
        case = tone(between(900, 500, scene.timbre), time, [1]) * decay(time, 0.006)
        return click + 0.3 * case

    return place(length, onsets(between(1.8, 6.0, scene.speed), length / SAMPLE_RATE, scene.onset, random, 0.004), tick)
