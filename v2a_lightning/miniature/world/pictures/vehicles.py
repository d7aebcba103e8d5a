"""Pictures of the miniature's vehicles, facing right, in a square from -0.5 to 0.5."""

import math

from v2a_lightning.miniature.world.pictures.canvas import (
    BLACK,
    GOLD,
    STEEL,
    WATER,
    WHITE,
    WOOD,
    Pen,
    Pose,
    arc,
    dark,
    light,
    smooth,
)

GLASS = (190, 225, 245)
SMOKE = (225, 226, 230)


def _wheel(pen: Pen, x: float, y: float, radius: float, turns: float, rim: float = 0.6) -> None:
    pen.circle(x, y, radius, BLACK)
    pen.circle(x, y, radius * rim, STEEL)
    for spoke in range(2):
        angle = math.pi * (turns * 2 + spoke / 2)
        pen.ray(x, y, angle, -radius * rim, radius * rim, BLACK, radius * 0.2)


def _puffs(pen: Pen, x: float, y: float, turns: float, reach: float) -> None:
    """Smoke that rises from (x, y) and trails to the left."""
    for number in range(3):
        age = (turns + number / 3) % 1.0
        pen.outlined(2).circle(x - reach * age, y - 0.2 * age, 0.05 + 0.07 * age, SMOKE)


def car(pen: Pen, pose: Pose) -> None:
    """A saloon with windows, a door, lamps and two turning wheels."""
    paint = pose.colour
    y = 0.008 * pose.swing
    cabin = [(-0.3, -0.02 + y), (-0.2, -0.22 + y), (0.12, -0.22 + y), (0.26, -0.02 + y)]
    pen.polygon(cabin, paint)
    pen.polygon([(-0.24, -0.03 + y), (-0.17, -0.18 + y), (-0.04, -0.18 + y), (-0.04, -0.03 + y)], GLASS)
    pen.polygon([(0.0, -0.03 + y), (0.0, -0.18 + y), (0.1, -0.18 + y), (0.2, -0.03 + y)], GLASS)
    body = [(-0.5, -0.0), (-0.46, -0.04), (0.3, -0.04), (0.47, 0.02), (0.5, 0.16), (-0.5, 0.16)]
    pen.polygon([(px, py + y) for px, py in body], paint)
    pen.line([(-0.02, -0.02 + y), (-0.02, 0.14 + y)], dark(paint), 0.02)
    pen.line([(0.03, 0.03 + y), (0.1, 0.03 + y)], dark(paint), 0.025)
    pen.circle(0.45, 0.05 + y, 0.045, (255, 240, 150))
    pen.rectangle(-0.5, 0.01 + y, -0.45, 0.07 + y, (220, 40, 40))
    for x in (-0.28, 0.28):
        pen.circle(x, 0.15 + y, 0.145, dark(paint, 0.6))
        _wheel(pen, x, 0.17, 0.125, pose.turns * 1.3)


def train(pen: Pen, pose: Pose) -> None:
    """A steam engine and a wagon on rails with sleepers."""
    paint = pose.colour
    shift = (pose.turns * 0.16) % 0.12
    for number in range(10):
        x = -0.54 + 0.12 * number - shift
        if -0.56 < x < 0.5:
            pen.rectangle(x, 0.3, x + 0.06, 0.36, WOOD)
    pen.line([(-0.56, 0.29), (0.56, 0.29)], BLACK, 0.035)
    _puffs(pen, 0.34, -0.26, pose.turns, 0.35)
    pen.rectangle(-0.5, -0.12, -0.12, 0.18, light(paint, 0.25))
    for x in (-0.45, -0.335, -0.22):
        pen.rectangle(x, -0.06, x + 0.075, 0.04, GLASS)
    pen.line([(-0.14, 0.14), (-0.04, 0.14)], BLACK, 0.05)
    pen.rectangle(-0.06, -0.28, 0.13, 0.18, dark(paint, 0.1))
    pen.rectangle(-0.09, -0.33, 0.16, -0.27, dark(paint, 0.55))
    pen.rectangle(-0.02, -0.21, 0.09, -0.07, GLASS)
    pen.rectangle(0.13, -0.1, 0.44, 0.16, paint)
    for x in (0.22, 0.33):
        pen.line([(x, -0.09), (x, 0.15)], GOLD, 0.025)
    pen.polygon([(0.29, -0.1), (0.26, -0.28), (0.42, -0.28), (0.39, -0.1)], BLACK)
    pen.circle(0.44, 0.02, 0.055, (255, 240, 150))
    pen.polygon([(0.38, 0.14), (0.5, 0.27), (0.36, 0.27)], (200, 50, 40))
    for x, radius in ((-0.4, 0.075), (-0.2, 0.075), (0.04, 0.11), (0.27, 0.09)):
        _wheel(pen, x, 0.27 - radius, radius, pose.turns * 1.2, 0.65)
    angle = 2 * math.pi * pose.turns * 1.2
    dx, dy = 0.05 * math.cos(angle), 0.05 * math.sin(angle)
    pen.line([(0.04 + dx, 0.16 + dy), (0.27 + dx, 0.18 + dy)], STEEL, 0.04)


def motorcycle(pen: Pen, pose: Pose) -> None:
    """Two large wheels, a tank, an exhaust, and a rider with a helmet."""
    paint, leather = pose.colour, (62, 64, 78)
    _puffs(pen, -0.4, 0.22, pose.turns, 0.14)
    for x in (-0.29, 0.31):
        _wheel(pen, x, 0.24, 0.19, pose.turns * 1.3, 0.66)
    pen.limb([(0.31, 0.24), (0.19, -0.08)], STEEL, 0.045)
    pen.limb([(-0.29, 0.24), (-0.02, 0.22), (0.14, 0.12)], STEEL, 0.05)
    pen.limb([(-0.46, 0.27), (-0.08, 0.25)], STEEL, 0.045)
    pen.ellipse(0.0, 0.16, 0.12, 0.1, dark(STEEL, 0.4))
    pen.polygon([(-0.42, 0.0), (-0.08, 0.05), (0.0, 0.1), (-0.2, 0.13), (-0.4, 0.08)], paint)
    pen.ellipse(0.05, 0.02, 0.16, 0.09, paint, -8)
    pen.limb([(-0.14, 0.0), (0.06, 0.06), (0.0, 0.26)], leather, 0.09)
    pen.polygon([(-0.22, 0.03), (-0.06, 0.03), (0.08, -0.22), (-0.04, -0.28)], leather)
    pen.limb([(0.0, -0.2), (0.08, -0.06), (0.21, -0.09)], leather, 0.065)
    pen.line([(0.14, -0.12), (0.24, -0.08)], BLACK, 0.045)
    pen.circle(0.27, -0.02, 0.055, (255, 240, 150))
    pen.circle(0.06, -0.34, 0.12, paint)
    pen.polygon([(0.06, -0.38), (0.17, -0.37), (0.17, -0.29), (0.08, -0.29)], GLASS)


def helicopter(pen: Pen, pose: Pose) -> None:
    """A glass bubble, a tail boom with its own rotor, skids, and a spinning main rotor."""
    paint = pose.colour
    y = 0.02 * pose.swing
    pen = pen.at(0, y)
    pen.polygon([(-0.1, -0.06), (-0.46, -0.1), (-0.46, -0.03), (-0.1, 0.12)], paint)
    pen.polygon([(-0.5, -0.2), (-0.42, -0.2), (-0.4, -0.04), (-0.46, -0.04)], dark(paint, 0.3))
    tail = math.pi * pose.turns * 2.3
    for spoke in range(2):
        pen.ray(-0.46, -0.08, tail + spoke * math.pi / 2, -0.1, 0.1, BLACK, 0.025)
    for x in (-0.02, 0.2):
        pen.line([(x, 0.18), (x, 0.32)], BLACK, 0.03)
    pen.line([(-0.16, 0.32), (0.34, 0.32), (0.39, 0.28)], BLACK, 0.045)
    pen.ellipse(0.1, 0.06, 0.28, 0.19, paint)
    pen.polygon([(0.14, -0.1), *arc(0.1, 0.06, 0.24, -65, 8, 6), (0.14, 0.09)], GLASS)
    pen.rectangle(-0.06, -0.02, 0.07, 0.12, light(paint, 0.45))
    pen.line([(0.06, -0.12), (0.06, -0.25)], BLACK, 0.05)
    pen.outlined(1).ellipse(0.06, -0.26, 0.44, 0.045, light(STEEL, 0.5))
    reach = 0.44 * math.cos(math.pi * pose.turns * 1.7)
    lean = 0.04 * math.sin(math.pi * pose.turns * 1.7)
    pen.line([(0.06 - reach, -0.26 - lean), (0.06 + reach, -0.26 + lean)], BLACK, 0.05)
    pen.circle(0.06, -0.26, 0.04, BLACK)


def ship(pen: Pen, pose: Pose) -> None:
    """A steamer on the water: hull, bridge with portholes, two funnels, steam from the horn."""
    paint = pose.colour
    rocking = pen.at(0, 0.015 * pose.swing, 1.0, 2.5 * pose.swing)
    _puffs(rocking, -0.02, -0.3, pose.turns, 0.3)
    rocking.line([(0.3, 0.0), (0.3, -0.36)], WOOD, 0.03)
    rocking.polygon([(0.3, -0.36), (0.42, -0.31), (0.3, -0.26)], (220, 60, 60))
    for x in (-0.22, -0.02):
        rocking.rectangle(x - 0.055, -0.3, x + 0.055, -0.08, (225, 95, 50))
        rocking.rectangle(x - 0.055, -0.3, x + 0.055, -0.24, BLACK)
    rocking.rectangle(-0.32, -0.1, 0.2, 0.06, WHITE)
    for x in (-0.24, -0.12, 0.0, 0.12):
        rocking.circle(x, -0.02, 0.035, (70, 110, 150))
    rocking.polygon([(-0.46, 0.05), (0.5, 0.02), (0.36, 0.32), (-0.36, 0.32)], paint)
    rocking.line([(-0.44, 0.12), (0.46, 0.1)], WHITE, 0.035)
    drift = (pose.turns * 0.12) % 0.2
    crest = [(-0.6 + 0.1 * number + drift - 0.2, 0.26 + (0.05 if number % 2 else 0.0)) for number in range(15)]
    inside = [(min(max(x, -0.56), 0.56), y) for x, y in smooth(crest, 3, closed=False)]
    pen.polygon([*inside, (0.56, 0.42), (-0.56, 0.42)], WATER)
