"""Pictures of the miniature's weather and water: the larger, the more of it."""

import math

from v2a_lightning.miniature.world.pictures.canvas import (
    STEEL,
    WATER,
    WHITE,
    Colour,
    Pen,
    Pose,
    between,
    dark,
    light,
    mix,
    smooth,
)

DROP = (70, 140, 235)
BOLT = (255, 225, 60)
GUST = (70, 112, 156)


def cloud(pen: Pen, x: float, y: float, width: float, fill: Colour) -> None:
    """A cloud of half width `width` around (x, y)."""
    lobes = ((-0.62, 0.08, 0.36), (0.62, 0.08, 0.36), (-0.22, -0.12, 0.46), (0.26, -0.06, 0.42))
    for dx, dy, radius in lobes:
        pen.circle(x + dx * width, y + dy * width, radius * width, fill)
    plain = pen.outlined(0)
    for dx, dy, radius in lobes:
        plain.circle(x + dx * width, y + dy * width, radius * width - 2.5 / pen.unit, fill)
    pen.line([(x - 0.66 * width, y + 0.43 * width), (x + 0.66 * width, y + 0.43 * width)], dark(fill, 0.5), 0.01)
    plain.rectangle(x - 0.62 * width, y, x + 0.62 * width, y + 0.42 * width, fill)


def rain(pen: Pen, pose: Pose) -> None:
    grey = mix((165, 172, 186), pose.colour, 0.2)
    drops = round(between(10, 22, pose.size)) * (1 + pose.count) // 2
    length = between(0.09, 0.13, pose.size)
    for number in range(drops):
        fall = (pose.turns * 1.1 + pose.jitter(number)) % 1.0
        x = -0.42 + 0.84 * ((number + 0.5 * pose.jitter(number + 50)) / drops)
        y = -0.16 + 0.6 * fall
        pen.line([(x - 0.04 * fall, y), (x - 0.04 * fall - 0.03, y + length)], DROP, 0.034)
    for number in range(2 + pose.count):
        ring = (pose.turns + pose.jitter(number + 90)) % 1.0
        x = -0.36 + 0.72 * pose.jitter(number + 30)
        ends = (-0.08, 0.46), (-0.03, 0.475), (0.03, 0.475), (0.08, 0.46)
        pen.line([(x + dx * ring, y) for dx, y in ends], DROP, 0.02)
    middles = {1: [0.0], 2: [-0.24, 0.24], 3: [-0.32, 0.32, 0.0]}[pose.count]
    for x in middles:
        cloud(pen, x, -0.26 + (0.05 if x == 0 else 0.0), 0.42 if pose.count == 1 else 0.28, grey)


def thunder(pen: Pen, pose: Pose) -> None:
    flash = pose.pulse
    for number in range(2 if pose.size < 0.5 else 3):
        x = (-0.02, 0.24, -0.27)[number]
        lean = 0.06 * math.sin(3 * math.floor(pose.turns * 2) + number)
        reach = (1.0, 0.62, 0.7)[number]
        bolt = [
            (0.06, 0), (-0.07 + lean, 0.28), (0.01 + lean, 0.26), (-0.08 + 2 * lean, 0.6), (0.14 + lean, 0.2),
            (0.05 + lean, 0.22), (0.15, 0),
        ]  # fmt: skip
        fill = mix(BOLT, WHITE, 0.8 * flash if number == 0 else 0.3)
        pen.polygon([(x + reach * px, -0.12 + reach * py) for px, py in bolt], fill)
    dim = mix((72, 74, 92), pose.colour, 0.15)
    cloud(pen, 0.0, -0.26, 0.48, mix(dim, WHITE, 0.25 * flash))


def wind(pen: Pen, pose: Pose) -> None:
    gusts = 3 + round(2 * pose.size)
    for number in range(gusts):
        y = -0.36 + 0.74 * number / (gusts - 1)
        slide = 0.08 * math.sin(2 * math.pi * (pose.turns * 0.6 + number * 0.3))
        length = 0.42 + 0.2 * pose.jitter(number)
        curl = 0.09 if number % 2 == 0 else -0.09
        end = slide + length - 0.22
        spiral = [(end + abs(curl) * r * math.cos(a), y - curl * 1.0 + curl * r * math.sin(a)) for a, r in _SPIRAL]
        wavy = [(-0.5 + slide, y + 0.03), (-0.25 + slide, y - 0.03)]
        line = smooth([*wavy, *spiral], 2, closed=False)
        pen.line(line, GUST, 0.066)
        pen.line(line, WHITE, 0.032)
    for number in range(gusts + 1):
        along = (pose.turns * 0.5 + pose.jitter(number + 20)) % 1.0
        y = -0.4 + 0.8 * pose.jitter(number + 40) + 0.06 * math.sin(9 * along)
        leaf = pen.at(-0.48 + 0.96 * along, y, 1.0, 360 * (along + pose.jitter(number)))
        leaf.polygon([(-0.09, 0), (0, -0.05), (0.09, 0), (0, 0.05)], pose.colour)


_SPIRAL = [
    (math.pi / 2, 1.0), (math.pi / 6, 1.0), (-math.pi / 6, 1.0), (-math.pi / 2, 0.95), (-math.pi * 0.85, 0.85),
    (-math.pi * 1.15, 0.7), (-math.pi * 1.4, 0.5),
]  # fmt: skip


def waves(pen: Pen, pose: Pose) -> None:
    sea = mix(WATER, pose.colour, 0.12)
    travel = 0.05 * pose.swing
    for y, fill in ((0.02, light(sea, 0.35)), (0.34, sea)):
        shift = (pose.turns * 0.1) % 0.4
        ridge = [(-2.8 + 0.2 * number + shift, y + (0.0 if number % 2 else 0.06)) for number in range(29)]
        crest = smooth(ridge, 2, closed=False)
        if y > 0.3:
            _breaker(pen, travel, sea)
        pen.polygon([*crest, (2.8, 0.5), (-2.8, 0.5)], fill)
    pen.line([(x, y + 0.03) for x, y in crest], WHITE, 0.03)


_BREAKER = [
    (-0.62, 0.4), (-0.42, 0.16), (-0.2, -0.2), (0.06, -0.37), (0.28, -0.3), (0.38, -0.12), (0.32, 0.03), (0.25, -0.1),
    (0.14, -0.16), (0.04, -0.08), (0.02, 0.1), (0.12, 0.28), (0.4, 0.4),
]  # fmt: skip
_CREST = smooth([(-0.2, -0.2), (0.06, -0.37), (0.28, -0.3), (0.38, -0.12), (0.32, 0.03)], 4, closed=False)


def _breaker(pen: Pen, travel: float, sea: Colour) -> None:
    rolling = pen.at(travel, 0.04)
    rolling.polygon(smooth(_BREAKER, 3), dark(sea, 0.12))
    upper = [(-0.38, 0.26), (-0.18, -0.02), (0.02, -0.2), (0.16, -0.24)]
    for ripple in (upper, [(-0.24, 0.34), (-0.12, 0.1), (-0.02, -0.06)]):
        rolling.line(smooth(ripple, 3, closed=False), light(sea, 0.5), 0.03)
    for number, (x, y) in enumerate(_CREST[::2]):
        rolling.outlined(2).circle(x, y, 0.055 + 0.02 * math.sin(number * 2 + travel * 60), WHITE)


def tap(pen: Pen, pose: Pose) -> None:
    metal = mix(STEEL, pose.colour, 0.12)
    pen.polygon([(-0.28, 0.3), (0.5, 0.3), (0.42, 0.48), (-0.2, 0.48)], WHITE)
    pen.ellipse(0.11, 0.3, 0.39, 0.06, WATER)
    fall = pose.turns % 1.0
    drop = pen.at(0.22, -0.0 + 0.27 * fall**1.5)
    drop.polygon(smooth([(0, -0.1), (0.055, 0.02), (0, 0.07), (-0.055, 0.02)], 3), DROP)
    if fall > 0.7:
        for side in (-1, 1):
            pen.line([(0.22 + side * 0.05, 0.28), (0.22 + side * 0.13, 0.2)], DROP, 0.03)
    pen.rectangle(-0.5, -0.3, -0.42, 0.04, dark(STEEL, 0.3))
    pen.limb([(-0.42, -0.14), (0.1, -0.14), (0.2, -0.1), (0.22, -0.05)], metal, 0.15)
    pen.rectangle(0.13, -0.09, 0.31, -0.03, dark(metal, 0.2))
    pen.rectangle(-0.13, -0.32, -0.03, -0.2, metal)
    handle = pen.at(-0.08, -0.38, 1.0, 8 * pose.swing)
    handle.limb([(-0.17, 0), (0.17, 0)], pose.colour, 0.09)
    handle.circle(0, 0, 0.075, pose.colour)
