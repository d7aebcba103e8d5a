"""Pictures of the miniature's instruments, in a square from -0.5 to 0.5."""

import math

from v2a_lightning.miniature.world.pictures.canvas import (
    BLACK,
    GOLD,
    STEEL,
    WHITE,
    WOOD,
    Pen,
    Pose,
    arc,
    dark,
    light,
    mix,
    smooth,
)

_GUITAR = [
    (-0.04, 0), (-0.08, -0.16), (-0.21, -0.12), (-0.38, -0.23), (-0.5, 0), (-0.38, 0.23), (-0.21, 0.12), (-0.08, 0.16)
]  # fmt: skip
_BELL = [
    (-0.08, -0.3), (0.08, -0.3), (0.17, -0.2), (0.2, 0.05), (0.33, 0.24), (0, 0.25),
    (-0.33, 0.24), (-0.2, 0.05), (-0.17, -0.2),
]  # fmt: skip
GUITAR_BODY, BELL_SHAPE = smooth(_GUITAR, 4), smooth(_BELL, 3)


def _note(pen: Pen, x: float, y: float, size: float) -> None:
    pen.line([(x + size * 0.3, y), (x + size * 0.3, y - size), (x + size * 0.75, y - size * 0.7)], BLACK, size * 0.22)
    pen.outlined(0).ellipse(x, y, size * 0.38, size * 0.28, BLACK, -20)


def drum(pen: Pen, pose: Pose) -> None:
    shell = pose.colour
    bottom = [(0.36 * math.cos(a), 0.3 + 0.12 * math.sin(a)) for a in (0.4, 0.8, 1.2, 1.57, 1.94, 2.34, 2.74)]
    pen.polygon([(-0.36, -0.02), (0.36, -0.02), *arc(0, 0.3, 0.36, 0, 0, 1), *bottom, (-0.36, 0.3)], shell)
    cords = [
        (-0.36 + 0.12 * number, (0.06 if number % 2 == 0 else 0.33) + 0.09 * math.cos((number - 3) * 0.5))
        for number in range(7)
    ]
    pen.line(cords, WHITE, 0.03)
    pen.ellipse(0, -0.02, 0.38, 0.14, GOLD)
    pen.ellipse(0, -0.04, 0.34, 0.11, WHITE)
    for side in (-1, 1):
        lift = pose.strike if side > 0 else 1 - pose.strike
        stick = pen.at(side * 0.44, -0.22 - 0.06 * (1 - lift), 1.0, side * (40 * (1 - lift) - 24), side < 0)
        stick.limb([(0.04, -0.04), (-0.34, 0.13)], WOOD, 0.045)
        stick.circle(-0.36, 0.14, 0.045, light(WOOD, 0.4))


def flute(pen: Pen, pose: Pose) -> None:
    metal = mix(pose.colour, STEEL, 0.3)
    for number in range(2):
        age = (pose.turns * 0.5 + number / 2) % 1.0
        _note(pen, -0.26 + 0.34 * number + 0.12 * age, -0.02 - 0.22 * age - 0.12 * number, 0.17)
    tube = pen.at(0, 0.14, 1.04, -20)
    tube.limb([(-0.47, 0), (0.47, 0)], metal, 0.13)
    tube.rectangle(-0.51, -0.095, -0.43, 0.095, GOLD)
    tube.rectangle(0.13, -0.09, 0.18, 0.09, GOLD)
    tube.ellipse(-0.32, -0.025, 0.085, 0.07, light(metal, 0.6))
    tube.ellipse(-0.32, -0.03, 0.04, 0.03, BLACK)
    for number, x in enumerate((-0.14, -0.05, 0.04, 0.24, 0.33, 0.42)):
        pressed = (int(pose.turns * 2) + number) % 3 == 0
        tube.circle(x, 0.0 if pressed else -0.045, 0.04, BLACK if pressed else light(metal, 0.7))


def guitar(pen: Pen, pose: Pose) -> None:
    body = pose.colour
    tilted = pen.at(0.02, 0.0, 1.12, -38)
    tilted.polygon([(-0.2, -0.042), (0.36, -0.038), (0.36, 0.038), (-0.2, 0.042)], dark(WOOD, 0.35))
    tilted.polygon([(0.35, -0.04), (0.5, -0.06), (0.5, 0.06), (0.35, 0.04)], dark(WOOD, 0.5))
    for x in (0.39, 0.46):
        for side in (-1, 1):
            tilted.outlined(0).circle(x, side * 0.075, 0.025, STEEL)
    tilted.polygon(GUITAR_BODY, body)
    tilted.circle(-0.2, 0, 0.075, BLACK)
    tilted.rectangle(-0.4, -0.07, -0.36, 0.07, dark(WOOD, 0.5))
    for x in (0.02, 0.1, 0.17, 0.23, 0.29):
        tilted.line([(x, -0.03), (x, 0.03)], STEEL, 0.014)
    for number, y in enumerate((-0.022, 0.0, 0.022)):
        bow = 0.02 * math.sin(2 * math.pi * (pose.turns * 3 + number / 3))
        tilted.line([(-0.41, y), (-0.2, y + bow), (0.4, y)], WHITE, 0.012)
    tilted.limb([(-0.27, 0.22), (-0.28, 0.04 + 0.08 * pose.swing)], (242, 200, 165), 0.06)


def bell(pen: Pen, pose: Pose) -> None:
    metal = mix(pose.colour, GOLD, 0.35)
    for x in (-0.42, 0.42):
        pen.rectangle(x - 0.035, -0.46, x + 0.035, 0.44, WOOD)
    swung = pen.at(0, -0.34, 1.0, 24 * pose.swing)
    swung.limb([(0, 0.3), (-0.1 * pose.swing, 0.72)], dark(STEEL, 0.5), 0.035)
    swung.circle(-0.1 * pose.swing, 0.72, 0.06, dark(STEEL, 0.5))
    swung.polygon([(x, y + 0.36) for x, y in BELL_SHAPE], metal)
    swung.line([(-0.24, 0.5), (0.24, 0.5)], dark(metal), 0.025)
    swung.line([(-0.15, 0.2), (0.15, 0.2)], dark(metal), 0.025)
    swung.polygon([(-0.08, 0.16), (-0.13, 0.34), (-0.09, 0.36), (-0.05, 0.2)], light(metal, 0.7))
    pen.limb([(-0.46, -0.42), (0.46, -0.42)], dark(WOOD, 0.25), 0.09)


def piano(pen: Pen, pose: Pose) -> None:
    case = pose.colour
    for x in (-0.4, 0.34):
        pen.rectangle(x, 0.2, x + 0.07, 0.46, dark(case, 0.4))
    pen.rectangle(-0.38, 0.2, 0.38, 0.4, dark(case, 0.3))
    pen.rectangle(-0.44, -0.36, 0.44, 0.0, case)
    pen.rectangle(-0.48, -0.42, 0.48, -0.34, dark(case, 0.25))
    pen.polygon([(-0.16, -0.05), (-0.13, -0.29), (0.13, -0.29), (0.16, -0.05)], WHITE)
    for y in (-0.23, -0.17, -0.11):
        pen.line([(-0.09, y), (0.09, y)], BLACK, 0.015)
    pen.rectangle(-0.5, -0.02, 0.5, 0.24, dark(case, 0.45))
    struck = int(pose.turns * 2)
    keys, width = 8, 0.92 / 8
    for key in range(keys):
        left = -0.46 + key * width
        down = (key * 5 + pose.seed) % keys in (struck % keys, (struck * 3 + 1) % keys)
        pen.outlined(2).rectangle(left, 0.0, left + width, 0.23 if down else 0.19, GOLD if down else WHITE)
    for key in (1, 2, 4, 5, 6):
        pen.outlined(0).rectangle(-0.46 + key * width - 0.032, 0.0, -0.46 + key * width + 0.032, 0.11, BLACK)


def trumpet(pen: Pen, pose: Pose) -> None:
    brass, shaded = mix(pose.colour, GOLD, 0.35), dark(mix(pose.colour, GOLD, 0.35), 0.25)
    horn = pen.at(0, 0.0, 1.0, -8)
    horn.limb([(-0.28, -0.02), (-0.3, 0.08), (-0.24, 0.15), (0.12, 0.15), (0.18, 0.08), (0.14, -0.02)], shaded, 0.05)
    horn.limb([(-0.44, -0.02), (0.14, -0.02)], brass, 0.055)
    horn.polygon([(-0.5, -0.06), (-0.44, -0.035), (-0.44, -0.005), (-0.5, 0.02)], STEEL)
    for number, x in enumerate((-0.16, -0.07, 0.02)):
        pressed = (int(pose.turns * 2) + number) % 3 == 0
        top = -0.13 if pressed else -0.2
        horn.line([(x, top), (x, -0.06)], STEEL, 0.035)
        horn.rectangle(x - 0.04, -0.1, x + 0.04, 0.19, brass)
        horn.ellipse(x, top, 0.042, 0.025, WHITE)
    flare = [
        (0.1, -0.055), (0.22, -0.07), (0.3, -0.12), (0.36, -0.23), (0.36, 0.19), (0.3, 0.08), (0.22, 0.03), (0.1, 0.015)
    ]  # fmt: skip
    horn.polygon(flare, brass)
    horn.ellipse(0.36, -0.02, 0.055, 0.21, shaded)
    for number in range(2):
        reach = 0.1 + 0.07 * ((pose.turns + number / 2) % 1.0) + 0.05 * number
        horn.line(arc(0.32, -0.02, reach + 0.06, -40, 40, 5), BLACK, 0.022)
