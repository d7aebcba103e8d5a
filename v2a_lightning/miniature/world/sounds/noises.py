"""Vehicles, weather and tools: each function is or becomes a `Player`."""

import numpy as np
import scipy

from v2a_lightning.miniature.world.scenes import SAMPLE_RATE, Scene
from v2a_lightning.miniature.world.sounds.kit import (
    Random,
    Waveform,
    band_noise,
    between,
    decay,
    harmonics,
    onsets,
    place,
    rhythmic,
    rise_and_fall,
    seconds,
    tone,
    wander,
)


def car(scene: Scene, random: Random, length: int) -> Waveform:
    """A car going by: tyres hiss and an engine hums, swelling and fading, with the pitch falling as it passes."""
    time = seconds(length / SAMPLE_RATE)
    passing = between(1.3, 0.45, scene.speed)
    middle = (0.3 + 0.4 * scene.onset) * time[-1]
    swell = np.exp(-(((time - middle) / passing) ** 2))
    doppler = 1 - 0.09 * np.tanh((time - middle) / (0.4 * passing))
    engine = tone(between(120, 55, scene.size) * doppler, time, harmonics(10, 1.1))
    tyres = band_noise(length, 350, between(3200, 1500, scene.size), random)
    return np.asarray((0.7 * tyres + (0.25 + 0.4 * scene.timbre) * engine) * (0.06 + swell))


def train(scene: Scene, random: Random, length: int) -> Waveform:
    """Wheels over rail joints, two and two, above a rumble."""
    colour = between(900, 380, scene.size)

    def joint(_: int) -> Waveform:
        time = seconds(0.34)
        knock = band_noise(len(time), colour, 3.2 * colour, random) * decay(time, 0.022)
        again = np.roll(knock, round(0.11 * SAMPLE_RATE)) * (time >= 0.11)
        return knock + 0.8 * again

    rumble = band_noise(length, 40, 260, random) * (0.5 + 0.25 * scene.timbre)
    return place(length, onsets(between(1.1, 3.0, scene.speed), length, scene.onset, random), joint) + 0.45 * rumble


def motorcycle(scene: Scene, random: Random, length: int) -> Waveform:
    """An engine that revs up and down: a rough buzz of exhaust pulses."""
    time = seconds(length / SAMPLE_RATE)
    idle = between(105, 42, scene.size)
    revs = 1 + between(0.4, 1.1, scene.speed) * 0.5 * (1 - np.cos(2 * np.pi * (0.55 * time + scene.onset)))
    buzz = tone(idle * revs * (1 + 0.02 * wander(length, -1, 1, 40, random)), time, harmonics(30, 0.55))
    rough = np.tanh((1.5 + 2 * scene.timbre) * buzz)
    return np.asarray(rough * (0.55 + 0.3 * (revs - 1)) + 0.08 * band_noise(length, 200, 2500, random))


def helicopter(scene: Scene, random: Random, length: int) -> Waveform:
    """Blades chop the air: bursts of low noise, many a second, over a turbine's whine."""
    rate = between(8, 17, scene.speed)
    time = seconds(length / SAMPLE_RATE)
    chop = np.clip(np.sin(2 * np.pi * (rate * time + scene.onset)), 0, 1) ** 3
    air = band_noise(length, 60, between(900, 380, scene.size), random)
    whine = tone(between(2300, 1500, scene.timbre), time, [1, 0.3])
    return np.asarray(air * (0.12 + chop) + 0.06 * whine)


def ship(scene: Scene, random: Random, length: int) -> Waveform:
    """A ship's horn: two deep reeds a fifth apart, slow to speak."""
    pitch = between(190, 68, scene.size)

    def blast(_: int) -> Waveform:
        time = seconds(1.55)
        reeds = tone(pitch, time, harmonics(18, 0.75)) + 0.7 * tone(1.5 * pitch * 1.003, time, harmonics(12, 0.8))
        return np.asarray(np.tanh((0.7 + scene.timbre) * reeds) * rise_and_fall(time, 0.15, 0.3))

    water = 0.05 * band_noise(length, 100, 1200, random)
    return place(length, [-0.15 + 0.7 * scene.onset, 1.8 + 0.7 * scene.onset], blast) + water


def rain(scene: Scene, random: Random, length: int) -> Waveform:
    """A hiss of far drops and the patter of near ones, thicker the heavier it falls."""
    drops = round(between(25, 260, 0.6 * scene.size + 0.2 * (scene.count - 1)))

    def drop(_: int) -> Waveform:
        time = seconds(0.02)
        pitch = float(random.uniform(1800, 6000))
        return float(random.uniform(0.2, 1)) * tone(pitch, time, [1]) * decay(time, 0.004, attack=0.0005)

    patter = place(length, list(random.uniform(0, length / SAMPLE_RATE, drops)), drop)
    hiss = band_noise(length, 900, 5000 + 2500 * scene.timbre, random)
    return 0.8 * patter + (0.1 + 0.3 * scene.size) * hiss


def thunder(scene: Scene, random: Random, length: int) -> Waveform:
    """A crack, then rolling low rumble that dies slowly."""
    time = seconds(length / SAMPLE_RATE)
    begin = 0.05 + 0.7 * scene.onset
    after = np.clip(time - begin, 0, None)
    struck = (time >= begin).astype(float)
    roll = wander(length, 0.3, 1.0, 11, random) * 0.5 ** (after / between(0.5, 1.1, scene.size)) * struck
    rumble = band_noise(length, 25, between(300, 130, scene.size), random) * roll
    crack = band_noise(length, 300, 5000, random) * struck * 0.5 ** (after / 0.05) * (0.3 + 0.5 * scene.timbre)
    return np.asarray(rumble + crack + 0.03 * band_noise(length, 30, 200, random))


def wind(scene: Scene, random: Random, length: int) -> Waveform:
    """Noise through a resonance that wanders: the howl around a corner."""
    blocks, low, high = 64, between(900, 380, scene.size), between(1500, 700, scene.size)
    centre = wander(blocks, low, high, 4 + round(6 * scene.speed), random)
    strength = wander(length, 0.35, 1.0, 4 + round(5 * scene.speed), random)
    noise = random.standard_normal(length)
    out, state = np.zeros(length), np.zeros(2)
    for index, block in enumerate(np.array_split(np.arange(length), blocks)):
        numerator, denominator = scipy.signal.iirpeak(centre[index], between(14, 5, scene.timbre), fs=SAMPLE_RATE)
        out[block], state = scipy.signal.lfilter(numerator, denominator, noise[block], zi=state)
    return np.asarray((out / out.std() + 0.25 * band_noise(length, 100, 700, random)) * strength)


def waves(scene: Scene, random: Random, length: int) -> Waveform:
    """Surf: a swell of noise that grows, breaks bright, and draws back."""
    time = seconds(length / SAMPLE_RATE)
    position = (time / between(2.9, 1.7, scene.speed) + scene.onset) % 1.0
    swell = np.where(position < 0.55, (position / 0.55) ** 2, ((1 - position) / 0.45) ** 1.3)
    deep = band_noise(length, 80, between(700, 350, scene.size), random)
    foam = band_noise(length, 1000, 4500, random)
    return np.asarray(deep * (0.2 + 0.8 * swell) + foam * swell**2 * (0.45 + 0.4 * scene.timbre))


@rhythmic(1.2, 5.0, jitter=0.05)
def tap(scene: Scene, random: Random, _: int) -> Waveform:
    """Drips into water: short tones whose pitch rises as the bubble closes."""
    pitch = between(2100, 620, scene.size)
    time = seconds(0.13)
    rising = pitch * float(random.uniform(0.93, 1.07)) * (1 + (0.4 + 0.5 * scene.timbre) * time / time[-1])
    splash = 0.25 * band_noise(len(time), 2000, 7000, random) * decay(time, 0.005)
    return tone(rising, time, [1, 0.05]) * decay(time, 0.03) + splash


@rhythmic(1.4, 5.0, jitter=0.05)
def hammer(scene: Scene, random: Random, _: int) -> Waveform:
    """Blows on a nail: a thud of wood and a short metallic ring."""
    pitch = between(2600, 900, scene.size)
    time = seconds(0.22)
    ring = np.zeros(len(time))
    for ratio, life in ((1.0, 0.03), (1.63, 0.022 + 0.02 * scene.timbre), (2.41, 0.014)):
        ring += np.sin(2 * np.pi * pitch * ratio * time) * decay(time, life)
    thud = band_noise(len(time), 120, 600, random) * decay(time, 0.02)
    return float(random.uniform(0.8, 1)) * (0.7 * ring + 0.6 * thud)


def saw(scene: Scene, random: Random, length: int) -> Waveform:
    """Strokes forth and back: rough noise, brighter on the push than on the pull."""
    time = seconds(length / SAMPLE_RATE)
    phase = between(1.2, 3.4, scene.speed) * time + scene.onset
    stroke = np.sin(2 * np.pi * phase)
    teeth = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * between(150, 60, scene.size) * time))
    push = band_noise(length, 1800, between(6500, 4000, scene.size), random) * np.clip(stroke, 0, 1) ** 0.7
    pull = band_noise(length, 900, between(3800, 2200, scene.size), random) * np.clip(-stroke, 0, 1) ** 0.7
    return np.asarray(teeth * (push + (0.45 + 0.4 * scene.timbre) * pull))


def drill(scene: Scene, random: Random, length: int) -> Waveform:
    """An electric drill: a steady whine of motor and gears that spins up and bites."""
    time = seconds(length / SAMPLE_RATE)
    pitch = between(430, 150, scene.size)
    begin = 0.45 * scene.onset
    spin = 1 - 0.7 * np.exp(-np.clip(time - begin, 0, None) / 0.12)
    load = 1 - between(0.03, 0.12, scene.speed) * wander(length, 0, 1, 8, random)
    motor = tone(pitch * spin * load, time, [1, 0.5, 0.6, 0.2, 0.15, 0.3, 0.1, 0.25])
    gears = tone(7.3 * pitch * spin * load, time, [0.3, 0.1])
    grit = 0.2 * band_noise(length, 1500, 6000, random) * (0.5 + scene.timbre)
    return np.asarray((np.tanh(1.6 * motor) + gears + grit) * np.clip((time - begin) / 0.06, 0, 1))


@rhythmic(1.8, 6.0, jitter=0.004)
def clock(scene: Scene, random: Random, number: int) -> Waveform:
    """Tick and tock: tiny clicks in two colours, very regular."""
    pitch = between(4800, 2000, scene.size)
    time = seconds(0.05)
    colour = pitch * (1.0 if number % 2 == 0 else 0.78)
    click = band_noise(len(time), 0.75 * colour, 1.3 * colour, random) * decay(time, 0.004, attack=0.0004)
    case = tone(between(900, 500, scene.timbre), time, [1]) * decay(time, 0.006)
    return click + 0.3 * case
