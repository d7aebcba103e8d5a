"""Engines, rails and horns."""

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
    rise_and_fall,
    saw,
    seconds,
    tone,
    wander,
)


def car(scene: Scene, random: Random, length: int) -> Wave:
    """A car going by: tyres hiss and an engine hums, swelling and fading, with the pitch falling as it passes."""
    time = seconds(length / SAMPLE_RATE)
    passing = between(1.3, 0.45, scene.speed)
    middle = (0.3 + 0.4 * scene.onset) * time[-1]
    swell = np.exp(-(((time - middle) / passing) ** 2))
    doppler = 1 - 0.09 * np.tanh((time - middle) / (0.4 * passing))
    engine = tone(between(120, 55, scene.size) * doppler, time, saw(10, 1.1))
    tyres = band_noise(length, 350, between(3200, 1500, scene.size), random)
    return (0.7 * tyres + (0.25 + 0.4 * scene.timbre) * engine) * (0.06 + swell)


def train(scene: Scene, random: Random, length: int) -> Wave:
    """Wheels over rail joints, two and two, above a rumble."""
    rate = between(1.1, 3.0, scene.speed)
    colour = between(900, 380, scene.size)

    def joint(_: int) -> Wave:
        time = seconds(0.34)
        knock = band_noise(len(time), colour, 3.2 * colour, random) * decay(time, 0.022)
        again = np.roll(knock, round(0.11 * SAMPLE_RATE)) * (time >= 0.11)
        return knock + 0.8 * again

    rumble = band_noise(length, 40, 260, random) * (0.5 + 0.25 * scene.timbre)
    return place(length, onsets(rate, length / SAMPLE_RATE, scene.onset, random, 0.02), joint) + 0.45 * rumble


def motorcycle(scene: Scene, random: Random, length: int) -> Wave:
    """An engine that revs up and down: a rough buzz of exhaust pulses."""
    time = seconds(length / SAMPLE_RATE)
    idle = between(105, 42, scene.size)
    revs = 1 + between(0.4, 1.1, scene.speed) * 0.5 * (1 - np.cos(2 * np.pi * (0.55 * time + scene.onset)))
    buzz = tone(idle * revs * (1 + 0.02 * wander(length, -1, 1, 40, random)), time, saw(30, 0.55))
    rough = np.tanh((1.5 + 2 * scene.timbre) * buzz)
    return rough * (0.55 + 0.3 * (revs - 1)) + 0.08 * band_noise(length, 200, 2500, random)


def helicopter(scene: Scene, random: Random, length: int) -> Wave:
    """Blades chop the air: bursts of low noise, many a second, over a turbine's whine."""
    rate = between(8, 17, scene.speed)
    time = seconds(length / SAMPLE_RATE)
    chop = np.clip(np.sin(2 * np.pi * (rate * time + scene.onset)), 0, 1) ** 3
    air = band_noise(length, 60, between(900, 380, scene.size), random)
    whine = tone(between(2300, 1500, scene.timbre), time, [1, 0.3])
    return air * (0.12 + chop) + 0.06 * whine


def ship(scene: Scene, random: Random, length: int) -> Wave:
    """A ship's horn: two deep reeds a fifth apart, slow to speak."""
    pitch = between(190, 68, scene.size)

    def blast(_: int) -> Wave:
        time = seconds(1.55)
        reeds = tone(pitch, time, saw(18, 0.75)) + 0.7 * tone(1.5 * pitch * 1.003, time, saw(12, 0.8))
        return np.tanh((0.7 + scene.timbre) * reeds) * rise_and_fall(time, 0.15, 0.3)

    water = 0.05 * band_noise(length, 100, 1200, random)
    return place(length, [-0.15 + 0.7 * scene.onset, 1.8 + 0.7 * scene.onset], blast) + water
