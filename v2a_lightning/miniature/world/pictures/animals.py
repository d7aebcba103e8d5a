"""Pictures of the miniature's animals, facing right where they have a side, in a square from -0.5 to 0.5."""

from v2a_lightning.miniature.world.pictures.canvas import (
    BLACK,
    GOLD,
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

PINK = (240, 160, 165)
LEAF = (58, 140, 70)


def dog(pen: Pen, pose: Pose) -> None:
    coat, shaded = pose.colour, dark(pose.colour, 0.3)
    pen.limb([(-0.3, 0.02), (-0.42, -0.12), (-0.46 + 0.06 * pose.swing, -0.3)], coat, 0.08)
    for x in (-0.18, 0.16):
        pen.limb([(x, 0.15), (x, 0.44)], shaded, 0.09)
    pen.ellipse(-0.06, 0.08, 0.31, 0.17, coat)
    for x in (-0.28, 0.08):
        pen.limb([(x, 0.15), (x, 0.44)], coat, 0.1)
    pen.limb([(0.14, 0.02), (0.22, -0.16)], coat, 0.19)
    pen.line([(0.08, -0.08), (0.28, 0.02)], (200, 40, 50), 0.06)
    head = pen.at(0.26, -0.2, 1.0, -14 * pose.pulse)
    opening = 0.04 + 0.14 * pose.pulse
    head.polygon([(0.04, 0.07), (0.24, 0.06 + opening), (0.2, 0.13 + opening), (0, 0.15)], light(coat, 0.25))
    head.polygon([(0.07, 0.05), (0.21, 0.06), (0.2, 0.05 + opening), (0.08, 0.09)], (190, 60, 70))
    head.polygon([(0.02, -0.1), (0.24, -0.06), (0.24, 0.07), (0.02, 0.08)], light(coat, 0.25))
    head.circle(0, -0.02, 0.17, coat)
    head.circle(0.24, -0.05, 0.05, BLACK)
    head.circle(0.06, -0.07, 0.035, BLACK)
    head.ellipse(-0.12, 0.04, 0.075, 0.17, dark(coat, 0.5), 12)


def bird(pen: Pen, pose: Pose) -> None:
    coat = pose.colour
    pen.limb([(-0.5, 0.38), (0.46, 0.34)], WOOD, 0.05)
    for x in (-0.04, 0.08):
        pen.line([(x, 0.2), (x, 0.37)], (220, 130, 40), 0.035)
    pen.polygon([(-0.2, 0.02), (-0.5, 0.16), (-0.46, 0.27), (-0.14, 0.18)], dark(coat, 0.35))
    pen.ellipse(0.0, 0.06, 0.29, 0.21, coat, -24)
    pen.ellipse(0.1, 0.12, 0.17, 0.12, light(coat, 0.7), -35)
    pen.circle(0.2, -0.18, 0.17, coat)
    gape = 0.02 + 0.07 * pose.pulse
    pen.polygon([(0.34, -0.2), (0.5, -0.2 - gape), (0.36, -0.14)], (250, 165, 30))
    pen.polygon([(0.34, -0.16), (0.48, -0.13 + gape), (0.33, -0.1)], (240, 145, 20))
    pen.circle(0.25, -0.22, 0.05, WHITE)
    pen.circle(0.265, -0.22, 0.028, BLACK)
    wing = pen.at(-0.02, 0.0, 1.0, 10 + 55 * pose.pulse)
    wing.polygon([(0.08, -0.06), (-0.12, -0.12), (-0.38, -0.04), (-0.2, 0.08), (0.04, 0.1)], dark(coat, 0.25))


def frog(pen: Pen, pose: Pose) -> None:
    skin, belly = mix(pose.colour, (90, 170, 70), 0.25), light(pose.colour, 0.7)
    pen.ellipse(0, 0.38, 0.5, 0.11, LEAF)
    for side in (-1, 1):
        pen.ellipse(side * 0.34, 0.2, 0.14, 0.19, dark(skin, 0.2), side * 25)
        pen.limb([(side * 0.36, 0.36), (side * 0.46, 0.38)], skin, 0.07)
    pen.ellipse(0, 0.1, 0.31, 0.28, skin)
    for side in (-1, 1):
        pen.circle(side * 0.19, -0.22, 0.14, skin)
        pen.circle(side * 0.19, -0.23, 0.095, WHITE)
        pen.ellipse(side * 0.18, -0.22, 0.055, 0.05, BLACK)
    pen.ellipse(0, -0.06, 0.35, 0.17, skin)
    pen.outlined(0).rectangle(-0.24, -0.26 + 0.12, 0.24, -0.08, skin)
    pen.ellipse(0, 0.16, 0.1 + 0.14 * pose.pulse, 0.1 + 0.14 * pose.pulse, belly)
    pen.line(smooth([(-0.31, -0.08), (-0.15, 0.0), (0.15, 0.0), (0.31, -0.08)], 3, closed=False), BLACK, 0.04)
    for side in (-1, 1):
        pen.limb([(side * 0.2, 0.24), (side * 0.17, 0.38)], skin, 0.08)
        for toe in (-0.07, 0.0, 0.07):
            pen.line([(side * 0.17, 0.37), (side * 0.17 + toe, 0.43)], dark(skin), 0.03)


def cow(pen: Pen, pose: Pose) -> None:
    hide, patch = WHITE, dark(pose.colour, 0.15)
    tail = [(-0.42, -0.1), (-0.47 - 0.03 * pose.swing, 0.08), (-0.45 - 0.06 * pose.swing, 0.2)]
    pen.line(tail, dark(hide, 0.6), 0.03)
    pen.circle(-0.45 - 0.06 * pose.swing, 0.22, 0.04, patch)
    for x in (-0.26, 0.12):
        pen.rectangle(x - 0.045, 0.1, x + 0.045, 0.42, dark(hide, 0.25))
    pen.ellipse(-0.22, 0.17, 0.09, 0.08, PINK)
    body = [(-0.43, -0.15), (-0.1, -0.18), (0.2, -0.16), (0.24, 0.1), (-0.1, 0.16), (-0.42, 0.12)]
    pen.polygon(smooth(body, 3), hide)
    pen.outlined(0).ellipse(-0.27, -0.05, 0.11, 0.09, patch, 20)
    pen.outlined(0).ellipse(0.0, 0.02, 0.1, 0.11, patch, -20)
    pen.outlined(0).ellipse(0.13, -0.1, 0.07, 0.045, patch)
    for x in (-0.36, 0.03):
        pen.rectangle(x - 0.05, 0.1, x + 0.05, 0.36, hide)
        pen.rectangle(x - 0.05, 0.36, x + 0.05, 0.43, BLACK)
    head = pen.at(0.27, -0.16, 1.0, -26 * pose.pulse)
    for x, tip in ((-0.04, -0.09), (0.1, 0.15)):
        head.polygon([(x - 0.035, -0.12), (tip, -0.26), (x + 0.035, -0.12)], (235, 220, 170))
    head.ellipse(-0.13, -0.07, 0.09, 0.045, patch, 15)
    head.ellipse(0.03, -0.02, 0.13, 0.16, patch)
    head.polygon([(0.0, -0.16), (0.06, -0.16), (0.09, 0.08), (0.01, 0.08)], hide)
    head.ellipse(0.09, 0.15 + 0.05 * pose.pulse, 0.1, 0.06, dark(PINK, 0.25))
    head.ellipse(0.09, 0.1, 0.14, 0.09, PINK)
    head.circle(0.13, 0.08, 0.022, BLACK)
    head.circle(0.0, -0.04, 0.028, BLACK)


def cricket(pen: Pen, pose: Pose) -> None:
    shell, leg = mix(pose.colour, (110, 120, 50), 0.2), dark(pose.colour, 0.45)
    for bend in (0.0, 0.07):
        feeler = [(0.36, -0.04), (0.42, -0.22 - bend), (0.32 + 0.4 * bend, -0.42)]
        pen.line(smooth(feeler, 4, closed=False), leg, 0.025)
    for x, foot in ((0.06, 0.02), (0.2, 0.3)):
        pen.line([(x, 0.14), (foot + 0.02, 0.24), (foot, 0.42)], leg, 0.035)
    pen.polygon(smooth([(0.26, -0.06), (0.0, -0.06), (-0.46, 0.14), (-0.4, 0.22), (0.0, 0.22), (0.26, 0.17)], 3), shell)
    for x in (-0.3, -0.2, -0.1, 0.0):
        pen.line([(x, 0.06 - 0.3 * (x + 0.3) * 0.3), (x + 0.03, 0.2)], dark(shell, 0.35), 0.022)
    wing = pen.at(0.18, -0.05, 1.0, 6 + 22 * pose.pulse)
    edge = smooth([(0.02, -0.02), (-0.25, -0.04), (-0.56, 0.06), (-0.3, 0.1), (0.0, 0.07)], 3)
    wing.polygon(edge, light(shell, 0.55))
    pen.ellipse(0.2, 0.05, 0.08, 0.13, dark(shell, 0.25))
    pen.ellipse(0.33, 0.05, 0.12, 0.13, shell)
    pen.circle(0.37, 0.0, 0.045, BLACK)
    pen.limb([(-0.02, 0.14), (-0.28, -0.28)], shell, 0.09)
    pen.limb([(-0.28, -0.28), (-0.4, 0.36), (-0.32, 0.43)], dark(shell, 0.2), 0.035)


def owl(pen: Pen, pose: Pose) -> None:
    feathers, shaded = mix(pose.colour, (130, 95, 60), 0.25), dark(pose.colour, 0.4)
    pen.limb([(-0.42, 0.42), (0.42, 0.42)], WOOD, 0.07)
    pen.polygon([(-0.27, -0.24), (-0.31, -0.5), (-0.06, -0.36)], shaded)
    pen.polygon([(0.27, -0.24), (0.31, -0.5), (0.06, -0.36)], shaded)
    swell = 0.03 * pose.pulse
    body = [
        (0, -0.42), (0.28, -0.3), (0.31 + swell, 0.08), (0.18, 0.38),
        (-0.18, 0.38), (-0.31 - swell, 0.08), (-0.28, -0.3),
    ]  # fmt: skip
    pen.polygon(smooth(body, 3), feathers)
    pen.ellipse(0, 0.16, 0.17 + swell, 0.2, light(feathers, 0.65))
    for row, y in enumerate((0.06, 0.16, 0.26)):
        for x in (-0.08, 0.0, 0.08) if row % 2 == 0 else (-0.04, 0.04):
            pen.line([(x - 0.03, y), (x, y + 0.04), (x + 0.03, y)], shaded, 0.025)
    for side in (-1, 1):
        pen.ellipse(side * 0.29, 0.1, 0.08, 0.23, shaded, side * -10)
        pen.circle(side * 0.14, -0.2, 0.145, WHITE)
        pen.circle(side * 0.14, -0.2, 0.1, GOLD)
        pen.circle(side * 0.14, -0.2, 0.055, BLACK)
        for toe in (-0.04, 0.04):
            pen.line([(side * 0.1 + toe, 0.36), (side * 0.1 + toe, 0.44)], (230, 150, 40), 0.04)
    if pose.turns % 2 > 1.85:
        for side in (-1, 1):
            pen.polygon(arc(side * 0.14, -0.2, 0.145, 180, 360), feathers)
    drop = 0.03 * pose.pulse
    pen.polygon([(-0.05, -0.15), (0.05, -0.15), (0, -0.01 + drop)], (245, 160, 40))
