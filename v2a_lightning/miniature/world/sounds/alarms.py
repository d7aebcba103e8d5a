"""Alarms."""

import numpy as np

from v2a_lightning.miniature.world.scenes import SAMPLE_RATE, Scene
from v2a_lightning.miniature.world.sounds.kit import (
    Random,
    Wave,
    between,
    onsets,
    place,
    rise_and_fall,
    saw,
    seconds,
    tone,
)


def siren(scene: Scene, random: Random, length: int) -> Wave:
    """A wail that climbs and falls, without pause."""
    time = seconds(length / SAMPLE_RATE)
    sweep = 0.5 - 0.5 * np.cos(2 * np.pi * (between(0.5, 2.2, scene.speed) * time + scene.onset))
    frequency = between(1150, 420, scene.size) * 2 ** (0.85 * sweep)
    return np.tanh(1.2 * tone(frequency, time, saw(7, 1.6 - 0.8 * scene.timbre)))


def alarm_clock(scene: Scene, random: Random, length: int) -> Wave:
    """Beeps in groups of four: an electronic square tone, on and off."""
    pitch = between(3300, 1250, scene.size)
    rate = between(0.9, 2.0, scene.speed)
    beat = 1 / rate / 5.5

    def group(_: int) -> Wave:
        def beep(_: int) -> Wave:
            time = seconds(0.55 * beat)
            return tone(pitch, time, [1, 0, 0.33 * scene.timbre, 0, 0.2 * scene.timbre]) * rise_and_fall(
                time, 0.003, 0.003
            )

        return place(round(4.2 * beat * SAMPLE_RATE), [index * beat for index in range(4)], beep)

    return place(length, onsets(rate, length / SAMPLE_RATE, scene.onset, random, 0.0), group)
