"""Voices, instruments and alarms: each function is or becomes a `Player`. Size decides an instrument's root note."""

import numpy as np
import scipy

from v2a_lightning.miniature.world.scenes import SAMPLE_RATE, Scene
from v2a_lightning.miniature.world.sounds.kit import (
    Random,
    Waveform,
    band_noise,
    between,
    chorus,
    decay,
    harmonics,
    place,
    resonate,
    rhythmic,
    rise_and_fall,
    seconds,
    tone,
)


@chorus(1.2, 4.2)
def dog(scene: Scene, random: Random, detune: float) -> Waveform:
    """Barks: short harmonic bursts whose pitch falls, through two formants, with some breath."""
    pitch = between(620, 170, scene.size)
    time = seconds(float(random.uniform(0.13, 0.2)))
    fall = pitch * detune * (1.25 - 0.55 * time / time[-1])
    voiced = tone(fall, time, harmonics(16, 0.7))
    formants = [(2.2 * pitch * detune, 180.0), (3.6 * pitch + 500 * scene.timbre, 350.0)]
    breath = 0.25 * band_noise(len(time), 500, 3500, random)
    return np.asarray((resonate(voiced, formants) + 0.15 * voiced + breath) * rise_and_fall(time, 0.012, 0.09))


@chorus(2.0, 7.0, jitter=0.15)
def bird(scene: Scene, random: Random, detune: float) -> Waveform:
    """Chirps: fast upward and downward sweeps of an almost pure tone."""
    pitch = between(5200, 2100, scene.size)
    time = seconds(float(random.uniform(0.06, 0.12)))
    shape = np.sin(np.pi * time / time[-1]) if scene.timbre < 0.5 else 1 - 2 * time / time[-1]
    frequency = pitch * detune * (1 + 0.18 * shape + 0.02 * np.sin(2 * np.pi * 45 * time))
    return tone(frequency, time, [1, 0.12]) * rise_and_fall(time, 0.01, 0.03)


@chorus(0.9, 2.6)
def frog(scene: Scene, random: Random, detune: float) -> Waveform:
    """Croaks: a buzz of pulses that ring at the body's resonance."""
    pitch = between(1100, 330, scene.size)
    time = seconds(float(random.uniform(0.22, 0.34)))
    buzz = between(38, 70, scene.timbre) * (1 + 0.25 * time / time[-1])
    pulses = np.clip(np.sin(2 * np.pi * np.cumsum(buzz) / SAMPLE_RATE), 0, 1) ** 4
    return np.asarray(pulses * tone(pitch * detune, time, [1, 0.45, 0.2]) * rise_and_fall(time, 0.04, 0.06))


def cow(scene: Scene, random: Random, length: int) -> Waveform:
    """A long moo: low harmonics through slowly opening formants."""
    pitch = between(260, 95, scene.size)

    def moo(_: int) -> Waveform:
        time = seconds(float(random.uniform(1.1, 1.6)))
        position = time / time[-1]
        glide = pitch * (0.88 + 0.25 * np.sin(np.pi * position) - 0.12 * position)
        voiced = tone(glide * (1 + 0.008 * np.sin(2 * np.pi * 5.5 * time)), time, harmonics(24, 0.9))
        formants = [(2.4 * pitch + 180 * scene.timbre, 110.0), (5.5 * pitch, 260.0)]
        return (resonate(voiced, formants) + 0.1 * voiced) * rise_and_fall(time, 0.18, 0.3)

    return place(length, [-0.1 + 0.55 * scene.onset, 1.75 + 0.5 * scene.onset], moo)


@chorus(1.6, 5.0, jitter=0.03)
def cricket(scene: Scene, random: Random, detune: float) -> Waveform:
    """Chirrs: groups of three or four fast pulses of a high pure tone."""
    pitch = between(6600, 3300, scene.size)
    pulses = 3 if scene.timbre < 0.5 else 4
    time = seconds(pulses * 0.032)
    gate = np.clip(np.sin(2 * np.pi * time / 0.032), 0, 1) ** 0.5
    return np.asarray(tone(pitch * detune, time, [1, 0.05]) * gate)


def owl(scene: Scene, random: Random, length: int) -> Waveform:
    """Hoots: hoo, hoo-hoo, soft low tones with breath."""
    pitch = between(640, 230, scene.size)
    rhythm = [0.0, 0.55, 0.85] if scene.timbre < 0.5 else [0.0, 0.45, 0.9]

    def hoot(number: int) -> Waveform:
        time = seconds(0.36 if number % 3 == 0 else 0.24)
        glide = pitch * (1 + 0.06 * np.sin(np.pi * time / time[-1]))
        breath = 0.05 * band_noise(len(time), 0.7 * pitch, 1.6 * pitch, random)
        return (tone(glide, time, [1, 0.16, 0.05]) + breath) * rise_and_fall(time, 0.07, 0.1)

    begin = -0.1 + 0.6 * scene.onset
    return place(length, [begin + cycle + beat for cycle in (0.0, 1.55) for beat in rhythm], hoot)


PENTATONIC = (1.0, 9 / 8, 5 / 4, 3 / 2, 5 / 3)


def _note(root: float, random: Random) -> float:
    """A note of the pentatonic scale on `root`, low notes more often, so that the root stays audible."""
    return root * float(random.choice(PENTATONIC, p=(0.4, 0.2, 0.15, 0.15, 0.1)))


@rhythmic(1.6, 6.0)
def drum(scene: Scene, random: Random, _: int) -> Waveform:
    """Hits on a skin: a tone that drops in pitch as it dies, and the slap of the stick."""
    pitch = between(300, 62, scene.size)
    time = seconds(0.45)
    skin = tone(pitch * (1 + 0.7 * np.exp(-time / 0.025)), time, [1, 0, 0.0]) * decay(time, 0.07)
    slap = band_noise(len(time), 300 + 1500 * scene.timbre, 5000, random) * decay(time, 0.014)
    return float(random.uniform(0.75, 1)) * (skin + 0.3 * slap)


@rhythmic(1.4, 4.5)
def flute(scene: Scene, random: Random, _: int) -> Waveform:
    """Soft notes with vibrato and breath."""
    root = between(1250, 420, scene.size)
    gap = 1 / between(1.4, 4.5, scene.speed)
    time = seconds(0.92 * gap)
    frequency = _note(root, random) * (1 + 0.007 * np.sin(2 * np.pi * 5.2 * time))
    breath = 0.09 * band_noise(len(time), 0.8 * root, 5 * root, random)
    return (tone(frequency, time, [1, 0.1 + 0.25 * scene.timbre, 0.06]) + breath) * rise_and_fall(time, 0.05, 0.05)


@rhythmic(1.2, 3.6)
def guitar(scene: Scene, random: Random, number: int) -> Waveform:
    """Strums of three plucked strings."""
    root = between(330, 85, scene.size) * (1.0, 4 / 3, 3 / 2)[number % 3]
    time = seconds(0.8)
    chord = np.zeros(len(time))
    for ratio in (1.0, 1.5, 2.0):
        chord += _string(root * ratio, len(time), scene.timbre, random)
    return chord * rise_and_fall(time, 0.001, 0.1)


def _string(frequency: float, samples: int, timbre: float, random: Random) -> Waveform:
    """Karplus and Strong's loop: a delay line with a low-pass filter."""
    period = round(SAMPLE_RATE / frequency)
    burst = np.zeros(samples)
    burst[:period] = random.uniform(-1, 1, period)
    burst = scipy.signal.lfilter([1 - 0.7 * (1 - timbre)], [1, -0.7 * (1 - timbre)], burst)
    loop = np.zeros(period + 2)
    loop[0], loop[period], loop[period + 1] = 1.0, -0.498, -0.498
    return np.asarray(scipy.signal.lfilter([1.0], loop, burst))


@rhythmic(0.7, 2.4)
def bell(scene: Scene, random: Random, _: int) -> Waveform:
    """Strokes of a bell: inharmonic partials, the hum below the strike note, each dying at its own pace."""
    pitch = between(1500, 380, scene.size)
    partials = (
        (0.5, 0.35, 0.6), (1.0, 1.0, 0.45), (1.19, 0.6, 0.35), (1.5, 0.35, 0.25), (2.0, 0.5, 0.25), (2.74, 0.35, 0.12)
    )  # fmt: skip
    time = seconds(1.6)
    waveform = np.zeros(len(time))
    for ratio, amplitude, half_life in partials:
        ring = half_life * (0.6 + 0.8 * scene.timbre)
        waveform += amplitude * np.sin(2 * np.pi * pitch * ratio * time) * decay(time, ring)
    return waveform + 0.2 * band_noise(len(time), 2500, 6500, random) * decay(time, 0.008)


@rhythmic(2.0, 6.0)
def piano(scene: Scene, random: Random, number: int) -> Waveform:
    """Broken chords on stiff strings, struck by felt."""
    root = between(640, 120, scene.size)
    chord = (1.0, 1.25, 1.5, 2.0) if scene.timbre < 0.5 else (1.0, 1.2, 1.5, 2.0)
    time = seconds(0.9)
    strings = tone(root * chord[number % 4], time, [1, 0.6, 0.35, 0.2, 0.12, 0.07, 0.04], stretch=6e-4)
    felt = 0.12 * band_noise(len(time), 100, 700, random) * decay(time, 0.02)
    return strings * decay(time, 0.19, attack=0.004) + felt


@rhythmic(1.2, 4.0)
def trumpet(scene: Scene, random: Random, number: int) -> Waveform:
    """Brassy notes: bright harmonics that open as the note swells."""
    root = between(720, 230, scene.size)
    gap = 1 / between(1.2, 4.0, scene.speed)
    time = seconds(0.8 * gap)
    frequency = root * (1.0, 1.0, 1.25, 1.5)[number % 4] * (1 + 0.004 * np.sin(2 * np.pi * 6 * time))
    soft, bright = tone(frequency, time, harmonics(4, 1.0)), tone(frequency, time, harmonics(14, 0.35))
    opening: Waveform = np.clip(time / 0.09, 0, 1) * (0.45 + 0.55 * scene.timbre)
    blown = soft * (1 - opening) + bright * opening
    return np.asarray((blown + 0.4 * resonate(blown, [(1400.0, 500.0)])) * rise_and_fall(time, 0.03, 0.04))


def siren(scene: Scene, random: Random, length: int) -> Waveform:
    """A wail that climbs and falls, without pause."""
    time = seconds(length / SAMPLE_RATE)
    sweep = 0.5 - 0.5 * np.cos(2 * np.pi * (between(0.5, 2.2, scene.speed) * time + scene.onset))
    frequency = between(1150, 420, scene.size) * 2 ** (0.85 * sweep)
    return np.asarray(np.tanh(1.2 * tone(frequency, time, harmonics(7, 1.6 - 0.8 * scene.timbre))))


@rhythmic(0.9, 2.0, jitter=0.0)
def alarm_clock(scene: Scene, random: Random, _: int) -> Waveform:
    """Beeps in groups of four: an electronic square tone, on and off."""
    beat = 1 / between(0.9, 2.0, scene.speed) / 5.5
    time = seconds(0.55 * beat)
    partials = [1, 0, 0.33 * scene.timbre, 0, 0.2 * scene.timbre]
    beep = tone(between(3300, 1250, scene.size), time, partials) * rise_and_fall(time, 0.003, 0.003)
    return place(round(4.2 * beat * SAMPLE_RATE), [index * beat for index in range(4)], lambda _: beep)
