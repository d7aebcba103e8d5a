"""Pictures of the miniature's alarms, in a square from -0.5 to 0.5."""

import math

from v2a_lightning.miniature.world.pictures.canvas import BLACK, GOLD, STEEL, WHITE, Pen, arc, dark, light
from v2a_lightning.miniature.world.pictures.pose import Pose

BEAM = (255, 240, 120)


def siren(pen: Pen, pose: Pose) -> None:
    """A turning light under a dome on a black foot, with beams to both sides and rays above."""
    angle = 2 * math.pi * pose.turns * 0.5
    glow = abs(math.cos(angle))
    for side in (-1, 1):
        reach, width = 0.28 + 0.22 * glow, 0.05 + 0.17 * glow
        pen.outlined(1).polygon([(side * 0.12, 0.02), (side * reach, 0.02 - width), (side * reach, 0.02 + width)], BEAM)
    for ray in (-150, -120, -90, -60, -30):
        dx, dy = math.cos(math.radians(ray)), math.sin(math.radians(ray))
        near, far = 0.34, 0.4 + 0.1 * pose.pulse
        pen.line([(near * dx, 0.08 + near * dy), (far * dx, 0.08 + far * dy)], (250, 170, 30), 0.04)
    pen.polygon([*arc(0, 0.02, 0.25, 180, 360, 12), (0.25, 0.26), (-0.25, 0.26)], pose.colour)
    pen.polygon(
        [*arc(0, 0.02, 0.17, 180, 270, 6), (-0.05, -0.1), (-0.12, 0.02), (-0.12, 0.2), (-0.17, 0.2)],
        light(pose.colour, 0.55),
    )
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
    for hour in range(4):
        dx, dy = math.cos(math.pi * hour / 2), math.sin(math.pi * hour / 2)
        shaken.line([(0.18 * dx, 0.08 + 0.18 * dy), (0.23 * dx, 0.08 + 0.23 * dy)], BLACK, 0.035)
    minute, hour_hand = math.radians(360 * pose.jitter(1)), math.radians(360 * pose.jitter(2))
    shaken.line([(0, 0.08), (0.19 * math.cos(minute), 0.08 + 0.19 * math.sin(minute))], BLACK, 0.03)
    shaken.line([(0, 0.08), (0.12 * math.cos(hour_hand), 0.08 + 0.12 * math.sin(hour_hand))], BLACK, 0.05)
    for side in (-1, 1):
        for number in range(2):
            x = side * (0.42 + 0.06 * number)
            pen.line([(x, -0.34), (x + side * 0.03, -0.27), (x, -0.2), (x + side * 0.03, -0.13)], BLACK, 0.025)
