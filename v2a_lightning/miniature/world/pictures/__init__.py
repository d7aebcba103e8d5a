"""What the miniature world looks like: every scene's place, things and event are drawn frame by frame."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from v2a_lightning.miniature.world.events import EVENTS
from v2a_lightning.miniature.world.pictures import animals, instruments, tools, vehicles, weather
from v2a_lightning.miniature.world.pictures.backgrounds import BACKGROUNDS, MARGIN, distractor, occluder
from v2a_lightning.miniature.world.pictures.canvas import (
    BLACK,
    CANVAS_SIZE,
    PAPER,
    WHITE,
    Colour,
    Pen,
    Pose,
    between,
    developed,
)
from v2a_lightning.miniature.world.scenes import DURATION, FRAMES_PER_SECOND, ClipDescription, Scene, Style

Painter = Callable[[Pen, Pose], None]

_FAMILIES = {
    "animal": animals, "vehicle": vehicles, "instrument": instruments, "weather": weather, "tool": tools, "alarm": tools
}  # fmt: skip
PAINTERS: dict[str, Painter] = {
    event.name: getattr(_FAMILIES[event.family], event.name.replace(" ", "_")) for event in EVENTS
}
FRAMES = int(DURATION * FRAMES_PER_SECOND)
PALETTE: dict[str, Colour] = {
    "red": (218, 54, 50), "orange": (242, 138, 38), "yellow": (246, 208, 60), "green": (66, 168, 78),
    "blue": (54, 108, 220), "purple": (146, 78, 188), "brown": (140, 92, 54), "grey": (140, 146, 154),
}  # fmt: skip

SMALL, LARGE = 0.22, 0.65
"""The width or height of an object, in parts of the picture, at sizes 0 and 1."""
WEATHER_SMALL, WEATHER_LARGE = 0.4, 0.95
CROWD = {1: 1.0, 2: 0.9, 3: 0.82}
"""Several objects are each drawn a little smaller, to fit."""
PLACES = {1: ((0.0, 0.0),), 2: ((-0.42, -0.1), (0.42, 0.1)), 3: ((0.0, -0.36), (-0.46, 0.16), (0.46, 0.16))}
"""Where each of several objects stands, in parts of the room they have; those behind come first."""


@dataclass(frozen=True)
class Moment:
    """One frame of scene `number` of a clip: `part` (0 to 1) of the scene's time, or so many `seconds`, has passed.

    `frames_inside` is how many frames it is away from the nearest end of the time in view, below 0 when out of view.
    """

    number: int
    part: float
    seconds: float
    frames_inside: float

    @property
    def in_view(self) -> bool:
        return self.frames_inside >= 0

    @property
    def reveal(self) -> float:
        """How much of the object has arrived, 0 to 1: coming and going take about one frame each."""
        return min(1.0, 0.6 + 0.4 * self.frames_inside) if self.in_view else 0.0


def paint(clip: ClipDescription) -> NDArray[np.uint8]:
    """The pictures of a clip: uint8 RGB (20, 96, 96, 3), the same for the same description."""
    grounds = [_ground(scene, clip.style) for scene in clip.scenes]
    frames = []
    for frame in range(FRAMES):
        now = moment(clip, frame)
        frames.append(_picture(clip.scenes[now.number], grounds[now.number], now, clip.style))
    return np.stack(frames)


def frames_in_view(clip: ClipDescription, scene: int | None = None) -> list[int]:
    """Numbers of the frames (of one scene only, if given) that show their scene's object, all of it first."""
    moments = [(frame, moment(clip, frame)) for frame in range(FRAMES)]
    shown = [(frame, now.reveal) for frame, now in moments if now.in_view and scene in (None, now.number)]
    return [frame for frame, _ in sorted(shown, key=lambda pair: -pair[1])]


def _ground(scene: Scene, style: Style) -> Image.Image:
    """The background with its distractor, wider than the picture by `MARGIN` on both sides."""
    flat = style == "flat"
    size = (round(CANVAS_SIZE * (1 + 2 * MARGIN)), CANVAS_SIZE)
    image = Image.new("RGB", size) if flat else Image.new("L", size, PAPER)
    pen = Pen(ImageDraw.Draw(image), flat, stroke=0 if flat else 2, fills=False).at(MARGIN, 0)
    still = Pose(pose(scene, Moment(0, 0.0, 0.0, 0.0)).colour, 0.0, 0.0, 0.0, scene.seed)
    BACKGROUNDS[scene.background](pen, still)
    distractor(pen.outlined(2), scene.distractor, still)
    return image


def _picture(scene: Scene, ground: Image.Image, now: Moment, style: Style) -> NDArray[np.uint8]:
    # What is far away moves half as fast as what is near.
    left = round(CANVAS_SIZE * (MARGIN - 0.5 * camera(scene, now.part)))
    image = ground.crop((left, 0, left + CANVAS_SIZE, CANVAS_SIZE))
    pen = Pen(ImageDraw.Draw(image), style == "flat", wobble=2.1 * (scene.seed % 7) + 1.3 * int(now.seconds * 4))
    if now.in_view:
        _objects(pen, scene, now)
    if scene.entrance == "occluder" and now.reveal < 1:
        _cover(pen, scene, now)
    return developed(image, style)


def _objects(pen: Pen, scene: Scene, now: Moment) -> None:
    size = extent(scene)
    stroke = 2 if size < 0.35 else 3
    for number, (x, y) in enumerate(centres(scene, now)):
        own = pen.at(x, y, size, mirror=facing(scene) < 0).outlined(stroke)
        PAINTERS[scene.event](own, pose(scene, now, number))
    speed_lines(pen, scene, now)


def _cover(pen: Pen, scene: Scene, now: Moment) -> None:
    """What stands in front sinks out of the picture as the object comes into view."""
    hidden = places(scene, now)
    now_pose = pose(scene, now)
    # As wide as it may be for any object, so that the cover does not show what is hidden.
    half = max(0.58 * extent(scene), between(0.22, 0.42, now_pose.jitter(7)))
    left, right = min(x for x, _ in hidden) - half, max(x for x, _ in hidden) + half
    top = min(y for _, y in hidden) - half
    sunk = now.reveal * (1.05 - top)
    occluder(pen.outlined(2), (left, top + sunk, right, 1.02 + sunk), now_pose)


def moment(clip: ClipDescription, frame: int) -> Moment:
    """The scene and the time in it that a frame of the clip shows."""
    time = (frame + 0.5) / FRAMES_PER_SECOND / DURATION
    number = 0 if time < clip.boundary or len(clip.scenes) == 1 else 1
    begin, end = (0.0, clip.boundary) if number == 0 else (clip.boundary, 1.0)
    part = (time - begin) / (end - begin)
    scene, frames = clip.scenes[number], (end - begin) * DURATION * FRAMES_PER_SECOND
    since = math.inf if scene.visible_from <= 0 else part - scene.visible_from
    until = math.inf if scene.visible_to >= 1 else scene.visible_to - part
    return Moment(number, part, (time - begin) * DURATION, min(since, until) * frames)


def extent(scene: Scene) -> float:
    """Width of the square one object is drawn in, in parts of the picture."""
    if scene.kind.family == "weather" and scene.event != "tap":
        return between(WEATHER_SMALL, WEATHER_LARGE, scene.size)
    return between(SMALL, LARGE, scene.size) * (CROWD[scene.count] if scene.event != "rain" else 1.0)


def facing(scene: Scene) -> int:
    """1 for right, -1 for left: an object leaves the wider side of the picture behind it."""
    return -1 if scene.x < 0.5 else 1


def camera(scene: Scene, part: float) -> float:
    """How far the camera has moved, in parts of the picture; 0 in the middle of the scene."""
    return scene.drift * (part - 0.5)


def places(scene: Scene, now: Moment) -> list[tuple[float, float]]:
    """Where the objects of a scene belong in the picture (0 to 1), those behind first; they move about that."""
    # Objects stand apart by their own width, as far as the picture has room.
    spread = min(extent(scene), 0.5)
    middle = scene.x + camera(scene, now.part)
    around = PLACES[1 if scene.event == "rain" else scene.count]
    return [(middle + dx * spread, scene.y + dy * spread) for dx, dy in around]


def centres(scene: Scene, now: Moment) -> list[tuple[float, float]]:
    """Where the objects of a scene are now, those behind first."""
    shift = 0.0
    if scene.entrance == "slide":
        # It comes from the side it looks away from, and goes back there.
        shift -= facing(scene) * (1 - now.reveal) * (extent(scene) + 0.25)
    if scene.kind.family == "vehicle":
        shift += facing(scene) * between(0.02, 0.1, scene.speed) * (now.part - 0.5)
    return [(x + shift, y) for x, y in places(scene, now)]


def pose(scene: Scene, now: Moment, number: int = 0) -> Pose:
    """How object `number` of the scene looks now."""
    rate = between(0.7, 3.0, scene.speed)
    begin = (scene.seed % 97) / 97 + 0.37 * number
    return Pose(
        PALETTE[scene.colour], scene.size, scene.speed, begin + rate * now.seconds, scene.seed + number, scene.count
    )


def speed_lines(pen: Pen, scene: Scene, now: Moment) -> None:
    """Lines in the air behind the object: the faster, the more and the longer. None when it is slowest."""
    amount = 5 * scene.speed
    current = centres(scene, now)
    half = extent(scene) * (0.46 if scene.event != "waves" else 0.2)
    side = -facing(scene)
    edge = max(side * x for x, _ in current) + half
    begin = side * min(edge, (1.0 if side > 0 else 0.0) - 0.1)
    middle = sum(y for _, y in current) / len(current)
    for number in range(math.ceil(amount)):
        weight = min(1.0, amount - number)
        y = middle + 0.055 * ((number + 1) // 2) * (-1 if number % 2 else 1)
        length = between(0.03, 0.15, scene.speed) * weight
        ends = [(begin, y), (begin + side * length, y)]
        pen.line(ends, WHITE, 0.03)
        pen.line(ends, BLACK, 0.014)
