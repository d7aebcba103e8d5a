"""Weather and water."""

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
    seconds,
    tone,
    wander,
)


def rain(scene: Scene, random: Random, length: int) -> Wave:
    """A hiss of far drops and the patter of near ones, thicker the heavier it falls."""
    drops = round(between(25, 260, 0.6 * scene.size + 0.2 * (scene.count - 1)))

    def drop(_: int) -> Wave:
        time = seconds(0.02)
        pitch = float(random.uniform(1800, 6000))
        return float(random.uniform(0.2, 1)) * tone(pitch, time, [1]) * decay(time, 0.004, attack=0.0005)

    patter = place(length, list(random.uniform(0, length / SAMPLE_RATE, drops)), drop)
    hiss = band_noise(length, 900, 5000 + 2500 * scene.timbre, random)
    return 0.8 * patter + (0.1 + 0.3 * scene.size) * hiss


def thunder(scene: Scene, random: Random, length: int) -> Wave:
    """A crack, then rolling low rumble that dies slowly."""
    time = seconds(length / SAMPLE_RATE)
    begin = 0.05 + 0.7 * scene.onset
    after = np.clip(time - begin, 0, None)
    struck = (time >= begin).astype(float)
    roll = wander(length, 0.3, 1.0, 11, random) * 0.5 ** (after / between(0.5, 1.1, scene.size)) * struck
    rumble = band_noise(length, 25, between(300, 130, scene.size), random) * roll
    crack = band_noise(length, 300, 5000, random) * struck * 0.5 ** (after / 0.05) * (0.3 + 0.5 * scene.timbre)
    return rumble + crack + 0.03 * band_noise(length, 30, 200, random)


def wind(scene: Scene, random: Random, length: int) -> Wave:
    """Noise through a resonance that wanders: the howl around a corner."""
    blocks = 64
    centre = wander(
        blocks, between(900, 380, scene.size), between(1500, 700, scene.size), 4 + round(6 * scene.speed), random
    )
    strength = wander(length, 0.35, 1.0, 4 + round(5 * scene.speed), random)
    noise = random.standard_normal(length)
    out, state = np.zeros(length), np.zeros(2)
    for index, block in enumerate(np.array_split(np.arange(length), blocks)):
        numerator, denominator = signal.iirpeak(centre[index], between(14, 5, scene.timbre), fs=SAMPLE_RATE)
        out[block], state = signal.lfilter(numerator, denominator, noise[block], zi=state)
    return (out / out.std() + 0.25 * band_noise(length, 100, 700, random)) * strength


def waves(scene: Scene, random: Random, length: int) -> Wave:
    """Surf: a swell of noise that grows, breaks bright, and draws back."""
    time = seconds(length / SAMPLE_RATE)
    position = (time / between(2.9, 1.7, scene.speed) + scene.onset) % 1.0
    swell = np.where(position < 0.55, (position / 0.55) ** 2, ((1 - position) / 0.45) ** 1.3)
    deep = band_noise(length, 80, between(700, 350, scene.size), random)
    foam = band_noise(length, 1000, 4500, random)
    return deep * (0.2 + 0.8 * swell) + foam * swell**2 * (0.45 + 0.4 * scene.timbre)


def tap(scene: Scene, random: Random, length: int) -> Wave:
    """Drips into water: short tones whose pitch rises as the bubble closes."""
    pitch = between(2100, 620, scene.size)

    def drip(_: int) -> Wave:
        time = seconds(0.13)
        rising = pitch * float(random.uniform(0.93, 1.07)) * (1 + (0.4 + 0.5 * scene.timbre) * time / time[-1])
        splash = 0.25 * band_noise(len(time), 2000, 7000, random) * decay(time, 0.005)
        return tone(rising, time, [1, 0.05]) * decay(time, 0.03) + splash

    return place(length, onsets(between(1.2, 5.0, scene.speed), length / SAMPLE_RATE, scene.onset, random, 0.05), drip)
