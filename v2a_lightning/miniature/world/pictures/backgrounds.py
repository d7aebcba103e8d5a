"""Places, the things that stand about in them, and what may stand in front: none of it makes a sound."""

from collections.abc import Callable

from v2a_lightning.miniature.world.pictures.canvas import WHITE, WOOD, Colour, Pen, Pose, dark, light, mix, smooth
from v2a_lightning.miniature.world.pictures.weather import cloud

Rectangle = tuple[float, float, float, float]

MARGIN = 0.15
"""How far a place is drawn beyond the picture's sides, in parts of the picture, for the camera to drift into."""
LEFT, RIGHT = -MARGIN, 1 + MARGIN

SKY: Colour = (190, 222, 244)
GRASS: Colour = (166, 208, 138)


def meadow(pen: Pen, pose: Pose) -> None:
    pen.rectangle(LEFT, 0, RIGHT, 0.6, SKY)
    pen.rectangle(LEFT, 0.58, RIGHT, 1, GRASS)
    for number in range(9):
        x, y = LEFT + 1.3 * pose.jitter(number), 0.64 + 0.34 * pose.jitter(number + 20)
        pen.line([(x, y + 0.03), (x, y)], dark(GRASS, 0.4), 0.008)
        pen.circle(x, y, 0.012, ((250, 240, 130), (250, 190, 210), WHITE)[number % 3])


def street(pen: Pen, pose: Pose) -> None:
    pen.rectangle(LEFT, 0, RIGHT, 0.7, (212, 220, 228))
    for number in range(5):
        left = LEFT + 0.27 * number
        top = 0.12 + 0.25 * pose.jitter(number)
        wall = mix((222, 205, 188), (190, 196, 206), pose.jitter(number + 9))
        pen.rectangle(left, top, left + 0.23, 0.68, wall)
        for row in range(2):
            for column in range(2):
                x, y = left + 0.05 + 0.09 * column, top + 0.06 + 0.13 * row
                pen.rectangle(x, y, x + 0.045, y + 0.07, (238, 240, 226))
    pen.rectangle(LEFT, 0.66, RIGHT, 0.72, (202, 200, 196))
    pen.rectangle(LEFT, 0.72, RIGHT, 1, (158, 160, 166))
    for number in range(6):
        x = LEFT + 0.24 * number
        pen.outlined(0).rectangle(x, 0.85, x + 0.12, 0.87, WHITE)


def room(pen: Pen, pose: Pose) -> None:
    wall = mix((240, 226, 200), (222, 226, 240), pose.jitter(1))
    pen.rectangle(LEFT, 0, RIGHT, 0.75, wall)
    for number in range(14):
        x = LEFT + 0.1 * number
        pen.line([(x, 0), (x, 0.74)], dark(wall, 0.08), 0.006)
    window = 0.08 if pose.jitter(2) < 0.5 else 0.66
    pen.rectangle(window, 0.08, window + 0.26, 0.38, WHITE)
    pen.rectangle(window + 0.03, 0.11, window + 0.23, 0.35, SKY)
    pen.line([(window + 0.13, 0.1), (window + 0.13, 0.36)], WHITE, 0.02)
    pen.rectangle(LEFT, 0.75, RIGHT, 1, (208, 176, 138))
    pen.rectangle(LEFT, 0.72, RIGHT, 0.76, WHITE)
    for number in range(8):
        x = LEFT + 0.18 * number
        pen.line([(x, 0.77), (x - 0.05, 1)], (178, 146, 110), 0.008)


def night(pen: Pen, pose: Pose) -> None:
    pen.rectangle(LEFT, 0, RIGHT, 0.75, (44, 50, 92))
    for number in range(16):
        x, y = LEFT + 1.3 * pose.jitter(number), 0.6 * pose.jitter(number + 30)
        pen.outlined(0).circle(x, y, 0.008, (236, 236, 210))
    x = 0.12 + 0.76 * round(pose.jitter(77))
    pen.circle(x, 0.14, 0.08, (244, 240, 206))
    pen.outlined(0).circle(x + 0.035, 0.12, 0.065, (44, 50, 92))
    ridge = smooth([(LEFT, 0.72), (0.2, 0.66), (0.6, 0.72), (0.9, 0.66), (RIGHT, 0.7)], 4, closed=False)
    pen.polygon([*ridge, (RIGHT, 1), (LEFT, 1)], (56, 74, 82))


def beach(pen: Pen, pose: Pose) -> None:
    pen.rectangle(LEFT, 0, RIGHT, 0.5, (204, 232, 246))
    x = 0.12 + 0.76 * round(pose.jitter(3))
    pen.circle(x, 0.13, 0.075, (252, 224, 120))
    pen.rectangle(LEFT, 0.48, RIGHT, 0.62, (132, 190, 216))
    shore = smooth([(LEFT, 0.6), (0.2, 0.63), (0.5, 0.59), (0.8, 0.63), (RIGHT, 0.6)], 4, closed=False)
    pen.polygon([*shore, (RIGHT, 1), (LEFT, 1)], (240, 222, 172))
    for number in range(8):
        x, y = LEFT + 1.3 * pose.jitter(number), 0.7 + 0.28 * pose.jitter(number + 10)
        pen.outlined(0).circle(x, y, 0.01, (214, 190, 140))


def hills(pen: Pen, pose: Pose) -> None:
    pen.rectangle(LEFT, 0, RIGHT, 0.8, (214, 226, 240))
    for layer, (y, fill) in enumerate(((0.4, (176, 196, 204)), (0.55, (160, 192, 160)), (0.74, (186, 204, 134)))):
        ridge = [(LEFT + 0.26 * number, y + 0.13 * (pose.jitter(number + 10 * layer) - 0.5)) for number in range(6)]
        pen.polygon([*smooth(ridge, 4, closed=False), (RIGHT, 1), (LEFT, 1)], fill)


BACKGROUNDS: dict[str, Callable[[Pen, Pose], None]] = {
    place.__name__: place for place in (meadow, street, room, night, beach, hills)
}


def distractor(pen: Pen, name: str, pose: Pose) -> None:
    """Draw a thing that makes no sound at one side of the picture, partly behind whatever stands in the middle."""
    x = (0.11, 0.89)[round(pose.jitter(4))]
    if name == "cloud":
        cloud(pen, x, 0.14, 0.13, (246, 248, 252))
    elif name == "tree":
        pen.rectangle(x - 0.02, 0.5, x + 0.02, 0.74, WOOD)
        for dx, dy in ((-0.06, 0.46), (0.06, 0.46), (0, 0.37)):
            pen.circle(x + dx, dy, 0.08, (104, 160, 96))
    elif name == "ball":
        pen.circle(x, 0.86, 0.065, WHITE)
        pen.ellipse(x, 0.86, 0.03, 0.062, light(pose.colour, 0.3))
    elif name == "box":
        pen.rectangle(x - 0.075, 0.77, x + 0.075, 0.91, (206, 168, 118))
        pen.rectangle(x - 0.018, 0.77, x + 0.018, 0.91, (232, 212, 170))
    elif name == "lamp":
        pen.rectangle(x - 0.012, 0.36, x + 0.012, 0.84, (92, 96, 104))
        pen.polygon([(x - 0.035, 0.26), (x + 0.035, 0.26), (x + 0.07, 0.37), (x - 0.07, 0.37)], (246, 236, 190))


def occluder(pen: Pen, area: Rectangle, pose: Pose) -> None:
    """Draw what hides the whole of `area` (left, top, right, bottom): boards, bricks, a curtain or a hedge."""
    (_boards, _bricks, _curtain, _hedge)[pose.seed % 4](pen, area, pose)


def _boards(pen: Pen, area: Rectangle, pose: Pose) -> None:
    left, top, right, bottom = area
    width = (right - left) / 5
    for number in range(5):
        x = left + number * width
        tip = [(x, top), (x + width / 2, top - 0.03), (x + width, top)]
        pen.polygon([*tip, (x + width, bottom), (x, bottom)], mix(WOOD, WHITE, 0.25 + 0.15 * pose.jitter(number)))


def _bricks(pen: Pen, area: Rectangle, pose: Pose) -> None:
    left, top, right, bottom = area
    brick = (196, 138, 118)
    pen.rectangle(left, top, right, bottom, brick)
    rows = max(3, round((bottom - top) / 0.085))
    for row in range(rows):
        y = top + (bottom - top) * row / rows
        pen.line([(left, y), (right, y)], light(brick, 0.6), 0.009)
        for column in range(4):
            x = left + (right - left) * (column + (0.5 if row % 2 else 0.0)) / 4
            pen.line([(x, y), (x, y + (bottom - top) / rows)], light(brick, 0.6), 0.009)


def _curtain(pen: Pen, area: Rectangle, pose: Pose) -> None:
    left, top, right, bottom = area
    cloth = light(pose.colour, 0.35)
    pen.rectangle(left, top, right, bottom, cloth)
    for number in range(1, 8):
        x = left + (right - left) * number / 8
        pen.line([(x, top), (x + 0.008, (top + bottom) / 2), (x, bottom)], dark(cloth, 0.25), 0.014)


def _hedge(pen: Pen, area: Rectangle, pose: Pose) -> None:
    left, top, right, bottom = area
    leaf = (120, 158, 104)
    lumps = [(left + (right - left) * number / 6, top - (0.035 if number % 2 else 0.0)) for number in range(7)]
    pen.polygon([*smooth(lumps, 4, closed=False), (right, bottom), (left, bottom)], leaf)
    for number in range(26):
        x = left + 0.02 + (right - left - 0.06) * pose.jitter(number)
        y = top + 0.03 + (bottom - top - 0.05) * pose.jitter(number + 60)
        pen.line([(x, y), (x + 0.015, y - 0.015), (x + 0.03, y)], dark(leaf, 0.3), 0.01)
