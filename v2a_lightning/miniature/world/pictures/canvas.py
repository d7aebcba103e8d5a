"""A drawing kit: shapes in an object's own coordinates, painted flat in colour or sketched in ink on paper."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from v2a_lightning.miniature.world.scenes import PICTURE_SIZE, Style

Colour = tuple[int, int, int]
Point = tuple[float, float]

SUPERSAMPLING = 3
"""Pictures are drawn this many times larger and averaged down: that is what smooths their edges."""
CANVAS_SIZE = PICTURE_SIZE * SUPERSAMPLING

WHITE: Colour = (252, 252, 250)
BLACK: Colour = (28, 26, 30)
STEEL: Colour = (186, 192, 202)
WOOD: Colour = (176, 122, 70)
GOLD: Colour = (236, 190, 62)
WATER: Colour = (58, 128, 206)

INK, PAPER = 0, 255
# A sketch is drawn in tones; only at the end is every tone replaced by ink lines at its own distance.
LIGHT_HATCH, MIDDLE_HATCH, DARK_HATCH = 200, 140, 80
_TEXTURE_OF_TONE = {PAPER: 0, LIGHT_HATCH: 1, MIDDLE_HATCH: 2, DARK_HATCH: 3, INK: 4}

_UNIT_CIRCLE = [(math.cos(2 * math.pi * step / 20), math.sin(2 * math.pi * step / 20)) for step in range(20)]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two: `share` 0 gives the first, 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def dark(colour: Colour, share: float = 0.45) -> Colour:
    return mix(colour, BLACK, share)


def light(colour: Colour, share: float = 0.5) -> Colour:
    return mix(colour, WHITE, share)


def between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def smooth(points: Sequence[Point], steps: int = 4, closed: bool = True) -> list[Point]:
    """A Catmull-Rom curve through the points, `steps` pieces between two of them."""
    count = len(points)
    curve = []
    for index in range(count if closed else count - 1):
        numbers = range(index - 1, index + 3)
        a, b, c, d = (points[one % count if closed else min(max(one, 0), count - 1)] for one in numbers)
        curve += [_catmull_rom(a, b, c, d, step / steps) for step in range(steps)]
    return curve if closed else [*curve, points[-1]]


def _catmull_rom(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    def along(axis: int) -> float:
        p, q, r, s = a[axis], b[axis], c[axis], d[axis]
        return 0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t**2 + (3 * q - p - 3 * r + s) * t**3)

    return along(0), along(1)


def arc(x: float, y: float, radius: float, begin: float, end: float, steps: int = 8) -> list[Point]:
    """Points on a circle from angle `begin` to `end`, in degrees clockwise from the right."""
    angles = [math.radians(begin + (end - begin) * step / steps) for step in range(steps + 1)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


@dataclass(frozen=True)
class Pose:
    """One object at one moment: `turns` is how often its motion has repeated so far, `seed` that of its irregularities.

    The pen is scaled already: only rain, which is one object however much there is, needs `size` and `count`.
    """

    colour: Colour
    size: float
    speed: float
    turns: float
    seed: int
    count: int = 1

    @property
    def swing(self) -> float:
        """-1 to 1 and back, once in a turn."""
        return math.sin(2 * math.pi * self.turns)

    @property
    def pulse(self) -> float:
        """0 to 1 and back, once in a turn."""
        return 0.5 - 0.5 * math.cos(2 * math.pi * self.turns)

    @property
    def strike(self) -> float:
        """1 at the moment of a blow, falling back to 0 and rising slowly: for what hits."""
        part = self.turns % 1.0
        return 1 - part / 0.35 if part < 0.35 else (part - 0.35) / 0.65

    def jitter(self, number: int) -> float:
        """A fixed pseudo-random number from 0 to 1 for each `number`."""
        value = math.sin((self.seed % 1000) * 12.9898 + number * 78.233) * 43758.5453
        return value - math.floor(value)


@dataclass(frozen=True)
class Pen:
    """Draws on a picture in coordinates of its own: x to the right, y down, one unit long as `at` says.

    The image is "RGB" for `flat` pictures, "L" (tones) for sketches, `CANVAS_SIZE` pixels high; `wobble` is the phase of
    a sketch's slowly trembling line. A sketch that does not fill leaves paper inside its shapes: for what is far away.
    """

    draw: ImageDraw.ImageDraw
    flat: bool
    wobble: float = 0.0
    stroke: int = 3
    fills: bool = True
    matrix: tuple[float, ...] = (float(CANVAS_SIZE), 0.0, 0.0, float(CANVAS_SIZE), 0.0, 0.0)

    def at(self, x: float, y: float, scale: float = 1.0, angle: float = 0.0, mirror: bool = False) -> "Pen":
        """A pen with its origin at (x, y) of this one, turned clockwise by `angle` degrees, mirrored left to right."""
        a, b, c, d, e, f = self.matrix
        cos, sin = scale * math.cos(math.radians(angle)), scale * math.sin(math.radians(angle))
        p, q, r, s = (-cos, -sin, -sin, cos) if mirror else (cos, sin, -sin, cos)
        matrix = (a * p + c * q, b * p + d * q, a * r + c * s, b * r + d * s, a * x + c * y + e, b * x + d * y + f)
        return replace(self, matrix=matrix)

    def outlined(self, stroke: int) -> "Pen":
        """The same pen with outlines of `stroke` canvas pixels; 0 draws none."""
        return replace(self, stroke=stroke)

    @property
    def unit(self) -> float:
        """Canvas pixels of one unit."""
        return math.hypot(self.matrix[0], self.matrix[1])

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        mapped = self._map(points)
        self.draw.polygon(mapped, self._fill(fill))
        if self.stroke:
            self.draw.line([*mapped, mapped[0], mapped[1]], self._edge(fill), self.stroke)

    def rectangle(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        self.polygon(((left, top), (right, top), (right, bottom), (left, bottom)), fill)

    def ellipse(self, x: float, y: float, width: float, height: float, fill: Colour, angle: float = 0.0) -> None:
        """An ellipse around (x, y) with half axes `width` and `height`."""
        a, b, c, d, e, f = self.matrix
        if angle or b or c:
            turned = self.at(x, y, 1.0, angle)
            turned.polygon([(width * cos, height * sin) for cos, sin in _UNIT_CIRCLE], fill)
            return
        x, y, width, height = a * x + e, d * y + f, abs(a * width), abs(d * height)
        box = (x - width, y - height, x + width, y + height)
        if self.stroke and min(width, height) > self.stroke:
            self.draw.ellipse(box, self._fill(fill), self._edge(fill), self.stroke)
        else:
            self.draw.ellipse(box, self._fill(fill))

    def circle(self, x: float, y: float, radius: float, fill: Colour) -> None:
        self.ellipse(x, y, radius, radius, fill)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """A line without an outline, `width` units thick but never thinner than half a pixel of the picture."""
        pixels = max(2, round(width * self.unit))
        self.draw.line(self._map(points), self._line(colour), pixels, joint="curve" if pixels > 6 else None)

    def ray(self, x: float, y: float, angle: float, begin: float, end: float, colour: Colour, width: float) -> None:
        """A line from `begin` to `end` units away from (x, y), `angle` radians clockwise from the right."""
        dx, dy = math.cos(angle), math.sin(angle)
        self.line([(x + begin * dx, y + begin * dy), (x + end * dx, y + end * dy)], colour, width)

    def limb(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """A thick line with round ends and an outline: a leg, a tail, a handle."""
        mapped = self._map(points)
        pixels = max(3, round(width * self.unit))
        if self.stroke:
            self._rounded(mapped, self._edge(fill), pixels + 2 * max(1, self.stroke - 1))
        self._rounded(mapped, self._fill(fill), pixels)

    def _rounded(self, mapped: Sequence[Point], colour: int | Colour, pixels: int) -> None:
        self.draw.line(mapped, colour, pixels, joint="curve" if len(mapped) > 2 else None)
        radius = pixels / 2 - 0.5
        for x, y in (mapped[0], mapped[-1]):
            self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)

    def _map(self, points: Iterable[Point]) -> list[Point]:
        a, b, c, d, e, f = self.matrix
        mapped = [(a * x + c * y + e, b * x + d * y + f) for x, y in points]
        if self.flat:
            return mapped
        wobble = self.wobble
        return [(x + 1.8 * math.sin(0.07 * y + wobble), y + 1.8 * math.sin(0.06 * x - wobble)) for x, y in mapped]

    def _fill(self, colour: Colour) -> int | Colour:
        return colour if self.flat else tone(colour) if self.fills else PAPER

    def _edge(self, colour: Colour) -> int | Colour:
        return dark(colour, 0.62) if self.flat else INK

    def _line(self, colour: Colour) -> int | Colour:
        return colour if self.flat else PAPER if sum(colour) > 700 else INK


@lru_cache(maxsize=4096)
def tone(colour: Colour) -> int:
    """How dark a colour is in a sketch."""
    brightness = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
    tones = ((205, PAPER), (140, LIGHT_HATCH), (90, MIDDLE_HATCH), (50, DARK_HATCH))
    return next((tone for above, tone in tones if brightness > above), INK)


def developed(image: Image.Image, style: Style) -> NDArray[np.uint8]:
    """The finished picture of a canvas: uint8 RGB (96, 96, 3)."""
    if style == "flat":
        return np.asarray(image.reduce(SUPERSAMPLING))
    choice, textures = _hatching()
    tones = choice[np.asarray(image)].ravel()
    ink = Image.fromarray(textures.ravel()[tones * (CANVAS_SIZE**2) + np.arange(CANVAS_SIZE**2)].reshape(image.size))
    return np.asarray(Image.merge("RGB", [ink.reduce(SUPERSAMPLING)] * 3))


@lru_cache(maxsize=1)
def _hatching() -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The texture number of each tone (256,), and the textures (5, canvas, canvas): paper with ever more lines."""
    y, x = np.mgrid[:CANVAS_SIZE, :CANVAS_SIZE]
    rising, falling = x + y, x - y
    lines = [np.zeros(x.shape, bool), rising % 18 < 3, rising % 11 < 3, (rising % 11 < 4) | (falling % 11 < 4)]
    textures = np.stack([np.where(drawn, 70, 244) for drawn in lines] + [np.full(x.shape, 34)]).astype(np.uint8)
    tones = np.array(list(_TEXTURE_OF_TONE))
    nearest = np.abs(np.arange(256)[:, None] - tones[None]).argmin(axis=1)
    return np.array(list(_TEXTURE_OF_TONE.values()))[nearest].astype(np.int64), textures
