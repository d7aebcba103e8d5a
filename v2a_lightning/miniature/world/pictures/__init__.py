"""What the miniature world looks like: every scene's place, things and event are drawn frame by frame."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from v2a_lightning.miniature.world.events import EVENTS
from v2a_lightning.miniature.world.pictures import animals, instruments, tools, vehicles, weather
from v2a_lightning.miniature.world.pictures.backgrounds import BACKGROUNDS, MARGIN, distractor, occluder
from v2a_lightning.miniature.world.pictures.canvas import CANVAS_SIZE, PAPER, Pen, Pose, between, developed
from v2a_lightning.miniature.world.pictures.staging import (
    FRAMES,
    Moment,
    camera,
    centres,
    extent,
    facing,
    moment,
    places,
    pose,
    speed_lines,
)
from v2a_lightning.miniature.world.scenes import ClipDescription, Scene, Style

Painter = Callable[[Pen, Pose], None]

_FAMILIES = {
    "animal": animals, "vehicle": vehicles, "instrument": instruments, "weather": weather, "tool": tools, "alarm": tools
}  # fmt: skip
PAINTERS: dict[str, Painter] = {
    event.name: getattr(_FAMILIES[event.family], event.name.replace(" ", "_")) for event in EVENTS
}


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
    size = (round(CANVAS_SIZE * (1 + 2 * MARGIN)), CANVAS_SIZE)
    image = Image.new("RGB", size) if style == "flat" else Image.new("L", size, PAPER)
    pen = Pen(image, style).at(MARGIN, 0).unfilled().outlined(0 if style == "flat" else 2)
    still = Pose(pose(scene, Moment(0, 0.0, 0.0, 0.0)).colour, 0.0, 0.0, 0.0, scene.seed)
    BACKGROUNDS[scene.background](pen, still)
    distractor(pen.outlined(2), scene.distractor, still)
    return image


def _picture(scene: Scene, ground: Image.Image, now: Moment, style: Style) -> NDArray[np.uint8]:
    # What is far away moves half as fast as what is near.
    left = round(CANVAS_SIZE * (MARGIN - 0.5 * camera(scene, now.part)))
    image = ground.crop((left, 0, left + CANVAS_SIZE, CANVAS_SIZE))
    pen = Pen(image, style, wobble=2.1 * (scene.seed % 7) + 1.3 * int(now.seconds * 4))
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
