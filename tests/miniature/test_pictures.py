"""Pictures of the miniature world: what is in the description can be seen, and nothing else."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from v2a_lightning.miniature.world import pictures
from v2a_lightning.miniature.world.contact_sheet import write_contact_sheet
from v2a_lightning.miniature.world.events import EVENT_NAMES
from v2a_lightning.miniature.world.pictures import FRAMES, PAINTERS, frames_in_view, moment, paint, speed_lines
from v2a_lightning.miniature.world.pictures.canvas import CANVAS_SIZE, Pen, developed
from v2a_lightning.miniature.world.scenes import ClipDescription, Scene, Style, describe_clip, draw_scene


def a_scene(event: str, seed: int = 0, **changes: object) -> Scene:
    """A scene with its object in full view, in the middle, and the camera at rest."""
    scene = draw_scene(event, np.random.default_rng(seed))
    still: dict[str, object] = {"visible_from": 0.0, "visible_to": 1.0, "count": 1, "x": 0.5, "y": 0.5, "drift": 0.0}
    return replace(scene, **(still | changes))


def a_clip(*scenes: Scene, boundary: float = 1.0, style: Style = "flat") -> ClipDescription:
    return ClipDescription("aaaaaaaaaaa_000000", "train", style, scenes[0].event, scenes, boundary)


@pytest.fixture
def empty_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same world, in which no event leaves a trace in the picture."""
    for name in PAINTERS:
        monkeypatch.setitem(PAINTERS, name, lambda pen, pose: None)
    monkeypatch.setattr(pictures, "speed_lines", lambda pen, scene, now: None)


def changed_pixels(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    return int((np.abs(first.astype(int) - second).max(axis=-1) > 24).sum())


def test_a_clip_is_twenty_pictures_of_96_pixels() -> None:
    frames = paint(describe_clip(0, "train", 0))
    assert frames.shape == (20, 96, 96, 3)
    assert frames.dtype == np.uint8


@pytest.mark.parametrize("split", ["train", "ood"])
def test_the_same_description_gives_the_same_pictures(split: str) -> None:
    assert np.array_equal(paint(describe_clip(1, split, 5)), paint(describe_clip(1, split, 5)))
    assert not np.array_equal(paint(describe_clip(1, split, 5)), paint(describe_clip(2, split, 5)))


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_size_is_seen(event: str, request: pytest.FixtureRequest) -> None:
    sizes = (0.0, 0.25, 0.5, 0.75, 1.0)
    clips = [a_clip(a_scene(event, size=size, speed=0.0, distractor="none")) for size in sizes]
    drawn = [paint(clip)[10] for clip in clips]
    request.getfixturevalue("empty_world")
    without = [paint(clip)[10] for clip in clips]
    areas = [changed_pixels(*pair) for pair in zip(drawn, without, strict=True)]
    assert areas == sorted(areas)
    assert areas[-1] > 3 * areas[0] > 0


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_everything_moves(event: str) -> None:
    frames = paint(a_clip(a_scene(event, size=0.5, speed=0.5)))
    assert all(changed_pixels(first, second) > 0 for first, second in zip(frames[:6], frames[2:8], strict=True))


def test_one_picture_tells_the_speed() -> None:
    now = moment(a_clip(a_scene("dog")), 3)
    ink = []
    for speed in np.linspace(0, 1, 11):
        image = Image.new("RGB", (CANVAS_SIZE, CANVAS_SIZE), (120, 120, 120))
        speed_lines(Pen(ImageDraw.Draw(image), flat=True), a_scene("dog", speed=float(speed), size=0.4), now)
        ink.append(changed_pixels(developed(image, "flat"), np.full((96, 96, 3), 120, np.uint8)))
    assert ink[0] == 0
    assert all(slower < faster for slower, faster in pairwise(ink))


@pytest.mark.parametrize("event", ["dog", "bird", "frog", "cricket"])
def test_count_is_seen(event: str, request: pytest.FixtureRequest) -> None:
    clips = [a_clip(a_scene(event, size=0.2, speed=0.0, count=count)) for count in (1, 2, 3)]
    drawn = [paint(clip)[10] for clip in clips]
    request.getfixturevalue("empty_world")
    areas = [changed_pixels(frame, paint(clip)[10]) for frame, clip in zip(drawn, clips, strict=True)]
    assert areas[0] < areas[1] < areas[2]


@pytest.mark.parametrize("entrance", ["slide", "occluder"])
@pytest.mark.parametrize("event", ["dog", "train", "rain", "waves"])
def test_out_of_view_means_out_of_view(event: str, entrance: str, request: pytest.FixtureRequest) -> None:
    clip = a_clip(a_scene(event, size=0.8, visible_from=0.31, visible_to=0.62, entrance=entrance, drift=0.1))
    shown = set(frames_in_view(clip))
    drawn = paint(clip)
    request.getfixturevalue("empty_world")
    without = paint(clip)
    for frame in range(FRAMES):
        difference = changed_pixels(drawn[frame], without[frame])
        assert (difference > 200) == (frame in shown)
    assert 5 <= len(shown) <= 7


def test_an_occluder_does_not_tell_what_is_behind_it() -> None:
    dog, car = (a_scene(event, seed=9, size=0.1, visible_from=0.5, entrance="occluder") for event in ("dog", "car"))
    same = replace(car, **{**dog.__dict__, "event": "car"})
    assert np.array_equal(paint(a_clip(dog))[:8], paint(a_clip(same))[:8])


def test_the_second_scene_begins_at_the_boundary() -> None:
    first, second = a_scene("owl", background="night"), a_scene("ship", seed=1, background="beach")
    frames = paint(a_clip(first, second, boundary=0.6))
    brightness = frames[:, :8].mean(axis=(1, 2, 3))
    assert all(brightness[:12] < 120)
    assert all(brightness[12:] > 150)


def test_the_best_frame_comes_first() -> None:
    clip = a_clip(a_scene("owl", visible_from=0.42, visible_to=0.8), a_scene("dog"), boundary=0.6)
    first_scene = frames_in_view(clip, scene=0)
    assert set(first_scene) < set(frames_in_view(clip))
    assert moment(clip, first_scene[0]).reveal == 1
    assert moment(clip, first_scene[-1]).reveal <= moment(clip, first_scene[0]).reveal


def test_every_scene_of_many_clips_is_seen_at_least_once() -> None:
    clips = [describe_clip(0, "train", index) for index in range(800)]
    assert all(frames_in_view(clip, scene=number) for clip in clips for number in range(len(clip.scenes)))


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_a_sketch_is_ink_on_paper(event: str) -> None:
    frame = paint(a_clip(a_scene(event, size=0.7), style="sketch"))[4]
    assert (frame == frame[..., :1]).all()
    assert 0.35 < (frame > 200).mean() < 0.99
    assert frame.min() < 100


def test_colours_and_places_are_seen() -> None:
    scene = a_scene("car", size=0.9, colour="red", background="meadow")
    red, blue = paint(a_clip(scene))[10], paint(a_clip(replace(scene, colour="blue")))[10]
    assert (red[..., 0].astype(int) - red[..., 2] > 100).sum() > 300
    assert (blue[..., 2].astype(int) - blue[..., 0] > 100).sum() > 300
    assert changed_pixels(red, paint(a_clip(replace(scene, background="night")))[10]) > 4000


def test_the_contact_sheet_shows_every_class(tmp_path: Path) -> None:
    write_contact_sheet(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 4 * 5 * 96
        assert sheet.height > 7 * 96
    assert (tmp_path / "sheet.png").stat().st_size < 400_000
