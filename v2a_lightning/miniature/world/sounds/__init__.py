"""What the miniature world sounds like: every scene's event is synthesised, put into a room, and mixed to stereo."""

import numpy as np
import scipy
from numpy.typing import NDArray

from v2a_lightning.miniature.world.events import EVENTS
from v2a_lightning.miniature.world.scenes import DURATION, SAMPLE_RATE, ClipDescription, Scene
from v2a_lightning.miniature.world.sounds import noises, tones
from v2a_lightning.miniature.world.sounds.kit import Player, Random, Waveform, band_noise

_FAMILIES = {"animal": tones, "instrument": tones, "alarm": tones, "vehicle": noises, "weather": noises, "tool": noises}
PLAYERS: dict[str, Player] = {
    event.name: getattr(_FAMILIES[event.family], event.name.replace(" ", "_")) for event in EVENTS
}

NOISE_FLOOR = -50.0
"""Decibels relative to full scale. Without it, pauses would be digital silence, which no recording holds."""
CROSSFADE = 0.03
"""Seconds between two scenes."""


def synthesise(clip: ClipDescription) -> NDArray[np.float32]:
    """The sound of a clip: (2, samples) float32 in [-1, 1] at `SAMPLE_RATE`, the same for the same description."""
    total = round(DURATION * SAMPLE_RATE)
    cut = round(clip.boundary * total)
    fade = round(CROSSFADE * SAMPLE_RATE)
    stereo = np.zeros((2, total))
    for scene, begin, stop in zip(clip.scenes, (0, cut), (cut, total), strict=False):
        stop = min(total, stop + fade) if stop < total else total
        window = np.ones(stop - begin)
        if begin > 0:
            window[:fade] = np.linspace(0, 1, fade)
        if stop < total:
            window[-fade:] = np.linspace(1, 0, fade)
        stereo[:, begin:stop] += _play(scene, stop - begin) * window
    floor = np.random.default_rng(clip.scenes[0].seed + 1)
    stereo += 10 ** (NOISE_FLOOR / 20) * np.stack([band_noise(total, 60, 6000, floor) for _ in range(2)])
    return np.clip(stereo, -1, 1).astype(np.float32)


def _play(scene: Scene, length: int) -> NDArray[np.float64]:
    random = np.random.default_rng(scene.seed)
    dry = PLAYERS[scene.event](scene, random, length)
    wet = _room(dry, scene.room, random)
    pan = 0.5 + 0.5 * (scene.x - 0.5)
    loudness = np.sqrt(np.mean(wet**2)) + 1e-9
    # Level is that of the waveform as a whole, but never so high that its peaks clip.
    gain = min(10 ** (scene.level / 20) / loudness, 0.95 / (np.abs(wet).max() + 1e-9) / 1.1)
    return np.asarray(gain * wet * np.array([[np.cos(pan * np.pi / 2)], [np.sin(pan * np.pi / 2)]]) * np.sqrt(2) * 0.9)


def _room(dry: Waveform, room: float, random: Random) -> Waveform:
    """Add a room's reverberation: noise that dies over 0.1 s (dry) to 0.9 s (a hall)."""
    decay_time = 0.1 * 9**room
    time = np.arange(round(min(decay_time, 0.8) * SAMPLE_RATE)) / SAMPLE_RATE
    impulse = random.standard_normal(len(time)) * 10 ** (-3 * time / decay_time)
    impulse /= np.sqrt((impulse**2).sum()) + 1e-9
    tail = scipy.signal.oaconvolve(dry, impulse)[: len(dry)]
    return np.asarray(dry + (0.12 + 0.4 * room) * tail)
