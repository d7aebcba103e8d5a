"""Pictures of the miniature's tools and alarms, in a square from -0.5 to 0.5."""

import math

from v2a_lightning.miniature.world.pictures.canvas import BLACK, GOLD, STEEL, WHITE, WOOD, Pen, Pose, arc, dark, light

BRICK = (188, 92, 70)
BEAM = (255, 240, 120)


def hammer(pen: Pen, pose: Pose) -> None:
    """Swings down on a nail in a plank."""
    pen.rectangle(-0.16, 0.3, 0.5, 0.46, WOOD)
    pen.line([(-0.06, 0.36), (0.4, 0.36)], dark(WOOD, 0.3), 0.015)
    pen.line([(0.05, 0.4), (0.35, 0.41)], dark(WOOD, 0.3), 0.015)
    pen.limb([(0.24, 0.14), (0.24, 0.34)], dark(STEEL, 0.3), 0.035)
    pen.limb([(0.17, 0.13), (0.31, 0.13)], dark(STEEL, 0.3), 0.03)
    if pose.strike > 0.75:
        for angle in (-160, -120, -60, -20):
            pen.ray(0.24, 0.12, math.radians(angle), 0.05, 0.2, (255, 190, 40), 0.035)
    swung = pen.at(-0.42, 0.3, 1.0, -52 * (1 - pose.strike))
    swung.limb([(-0.04, 0.0), (0.62, -0.3)], pose.colour, 0.085)
    head = swung.at(0.62, -0.3, 1.0, -6)
    head.polygon([(-0.08, -0.12), (0.09, -0.12), (0.09, 0.06), (-0.08, 0.06)], STEEL)
    head.rectangle(-0.065, 0.05, 0.075, 0.1, dark(STEEL, 0.2))
    head.polygon([(-0.08, -0.1), (0.09, -0.12), (0.0, -0.24), (-0.16, -0.26)], STEEL)


def saw(pen: Pen, pose: Pose) -> None:
    """A hand saw going to and fro through a log on a block."""
    stroke = 0.1 * pose.swing
    for x in (-0.18, 0.36):
        pen.limb([(x, 0.26), (x - 0.08, 0.46)], dark(WOOD, 0.4), 0.05)
        pen.limb([(x, 0.26), (x + 0.08, 0.46)], dark(WOOD, 0.4), 0.05)
    pen.limb([(-0.3, 0.22), (0.42, 0.22)], WOOD, 0.18)
    pen.ellipse(0.44, 0.22, 0.065, 0.105, light(WOOD, 0.5))
    pen.outlined(0).ellipse(0.44, 0.22, 0.025, 0.045, dark(WOOD, 0.3))
    blade = pen.at(stroke, 0.0, 1.0, -16)
    teeth = [(-0.42 + 0.06 * number, 0.2 if number % 2 else 0.135) for number in range(12)]
    blade.polygon([(0.22, -0.12), (0.3, 0.135), *reversed(teeth), (-0.44, 0.08)], light(STEEL, 0.3))
    blade.polygon([(0.2, -0.15), (0.4, -0.2), (0.5, -0.1), (0.47, 0.12), (0.36, 0.2), (0.27, 0.15)], pose.colour)
    blade.ellipse(0.37, -0.02, 0.055, 0.09, WHITE)
    for number in range(4):
        age = (pose.turns + number / 4) % 1.0
        pen.outlined(0).circle(-0.02 - 0.1 * (number % 2) * age, 0.3 + 0.16 * age, 0.025, (238, 205, 140))


def drill(pen: Pen, pose: Pose) -> None:
    """A power drill with its bit turning in a brick wall."""
    body = pose.colour
    pen.rectangle(0.34, -0.42, 0.5, 0.42, BRICK)
    for y in (-0.28, -0.14, 0.0, 0.14, 0.28):
        pen.line([(0.34, y), (0.5, y)], light(BRICK, 0.6), 0.025)
    tremble = 0.012 * math.sin(2 * math.pi * pose.turns * 3)
    shaken = pen.at(0, tremble)
    shaken.polygon([(-0.34, 0.0), (-0.14, 0.0), (-0.18, 0.34), (-0.38, 0.34)], dark(body, 0.2))
    shaken.polygon([(-0.44, 0.3), (-0.12, 0.3), (-0.12, 0.42), (-0.44, 0.42)], BLACK)
    shaken.rectangle(-0.14, 0.02, -0.08, 0.12, (200, 40, 40))
    shaken.polygon([(-0.46, -0.18), (-0.4, -0.24), (0.02, -0.24), (0.02, 0.02), (-0.4, 0.02), (-0.46, -0.04)], body)
    for x in (-0.38, -0.32, -0.26):
        shaken.line([(x, -0.17), (x, -0.05)], dark(body, 0.6), 0.025)
    shaken.polygon([(0.02, -0.2), (0.13, -0.15), (0.13, -0.07), (0.02, -0.02)], dark(STEEL, 0.45))
    shaken.line([(0.13, -0.11), (0.38, -0.11)], STEEL, 0.06)
    shift = (pose.turns * 1.7) % 1.0 * 0.06
    for number in range(4):
        x = 0.13 + 0.06 * number + shift
        shaken.line([(x, -0.14), (x + 0.03, -0.08)], BLACK, 0.025)
    for number in range(4):
        age = (pose.turns * 1.3 + number / 4) % 1.0
        pen.outlined(0).circle(0.32 - 0.16 * age, -0.11 + (number - 1.5) * 0.16 * age, 0.03, light(BRICK, 0.3))


def clock(pen: Pen, pose: Pose) -> None:
    """A tall pendulum clock: gable, face with hands, and the pendulum behind its window."""
    case = pose.colour
    pen.polygon([(-0.26, -0.36), (0, -0.5), (0.26, -0.36)], dark(case, 0.3))
    pen.rectangle(-0.23, -0.36, 0.23, 0.4, case)
    pen.rectangle(-0.27, 0.4, 0.27, 0.5, dark(case, 0.3))
    pen.rectangle(-0.15, 0.02, 0.15, 0.36, dark(case, 0.65))
    pendulum = pen.at(0, 0.0, 1.0, 24 * pose.swing)
    pendulum.line([(0, 0.02), (0, 0.24)], GOLD, 0.03)
    pendulum.circle(0, 0.26, 0.07, GOLD)
    pen.circle(0, -0.18, 0.19, WHITE)
    for turn in range(4):
        pen.ray(0, -0.18, math.pi * turn / 2, 0.13, 0.17, BLACK, 0.03)
    pen.ray(0, -0.18, math.radians(360 * pose.jitter(1) + 6 * math.floor(2 * pose.turns)), 0, 0.13, BLACK, 0.028)
    pen.ray(0, -0.18, math.radians(360 * pose.jitter(2)), 0, 0.08, BLACK, 0.042)


def siren(pen: Pen, pose: Pose) -> None:
    """A turning light under a dome on a black foot, with beams to both sides and rays above."""
    angle = 2 * math.pi * pose.turns * 0.5
    glow = abs(math.cos(angle))
    for side in (-1, 1):
        reach, width = 0.28 + 0.22 * glow, 0.05 + 0.17 * glow
        pen.outlined(1).polygon([(side * 0.12, 0.02), (side * reach, 0.02 - width), (side * reach, 0.02 + width)], BEAM)
    for ray in (-150, -120, -90, -60, -30):
        pen.ray(0, 0.08, math.radians(ray), 0.34, 0.4 + 0.1 * pose.pulse, (250, 170, 30), 0.04)
    pen.polygon([*arc(0, 0.02, 0.25, 180, 360, 12), (0.25, 0.26), (-0.25, 0.26)], pose.colour)
    shine = [*arc(0, 0.02, 0.17, 180, 270, 6), (-0.05, -0.1), (-0.12, 0.02), (-0.12, 0.2), (-0.17, 0.2)]
    pen.polygon(shine, light(pose.colour, 0.55))
    pen.ellipse(0.05 * math.cos(angle), 0.08, 0.05 + 0.07 * glow, 0.12, (255, 250, 200))
    pen.rectangle(-0.32, 0.25, 0.32, 0.36, BLACK)
    pen.rectangle(-0.38, 0.36, 0.38, 0.45, dark(STEEL, 0.4))


def alarm_clock(pen: Pen, pose: Pose) -> None:
    """Round, on two feet, with two bells and a striker on top; it shakes as it rings."""
    body = pose.colour
    shaken = pen.at(0.025 * math.sin(2 * math.pi * pose.turns * 2), 0, 1.0, 6 * math.sin(2 * math.pi * pose.turns * 2))
    for side in (-1, 1):
        shaken.limb([(side * 0.2, 0.32), (side * 0.28, 0.45)], dark(body, 0.4), 0.075)
        dome = shaken.at(side * 0.22, -0.3, 1.0, side * 35)
        dome.polygon([*arc(0, 0.04, 0.16, 180, 360, 8)], GOLD)
        dome.line([(0, -0.12), (0, -0.17)], BLACK, 0.04)
    striker = shaken.at(0, -0.26, 1.0, 28 * math.sin(2 * math.pi * pose.turns * 3))
    striker.line([(0, 0), (0, -0.18)], BLACK, 0.035)
    striker.circle(0, -0.18, 0.05, dark(STEEL, 0.3))
    shaken.circle(0, 0.08, 0.34, body)
    shaken.circle(0, 0.08, 0.255, WHITE)
    for turn in range(4):
        shaken.ray(0, 0.08, math.pi * turn / 2, 0.18, 0.23, BLACK, 0.035)
    shaken.ray(0, 0.08, math.radians(360 * pose.jitter(1)), 0, 0.19, BLACK, 0.03)
    shaken.ray(0, 0.08, math.radians(360 * pose.jitter(2)), 0, 0.12, BLACK, 0.05)
    for side in (-1, 1):
        for number in range(2):
            x = side * (0.42 + 0.06 * number)
            pen.line([(x, -0.34), (x + side * 0.03, -0.27), (x, -0.2), (x + side * 0.03, -0.13)], BLACK, 0.025)
