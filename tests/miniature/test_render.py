"""A rendered world: files in VGGSound's form, resumable, and the same as what the arrays say."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from v2a_lightning.app.commands.miniature import miniature
from v2a_lightning.errors import UsageError
from v2a_lightning.media import read_audio, read_frames
from v2a_lightning.miniature.world.events import EVENT_NAMES
from v2a_lightning.miniature.world.pictures import paint
from v2a_lightning.miniature.world.render import RenderedWorld, clip_path, plan_world, render_world
from v2a_lightning.miniature.world.scenes import describe_clip
from v2a_lightning.miniature.world.sounds import synthesise
from v2a_lightning.specs import AudioSpec, FrameSpec

CLIPS, SEED = 30, 7
SOUND = AudioSpec(16_000, 2.56)
PICTURE = FrameSpec(8, 2.5)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> RenderedWorld:
    return render_world(tmp_path_factory.mktemp("world"), CLIPS, SEED, workers=2)


def rows(path: Path) -> list[list[str]]:
    with open(path, newline="") as file:
        return list(csv.reader(file))


def test_shares_of_the_splits() -> None:
    splits = [clip.split for clip in plan_world(1000, 0)]
    assert {split: splits.count(split) for split in set(splits)} == {"train": 850, "test": 150, "ood": 100}


def test_every_clip_is_written(world: RenderedWorld) -> None:
    assert world.clips == world.rendered == 33
    written = {path.stem for path in (world.output / "clips").iterdir()}
    assert written == {clip.clip_id for clip in plan_world(CLIPS, SEED)}


def test_the_csvs_have_vggsounds_form(world: RenderedWorld) -> None:
    listed = rows(world.output / "vggsound.csv")
    assert [row[3] for row in listed] == ["train"] * 26 + ["test"] * 4
    assert all(row[2] in EVENT_NAMES for row in listed)
    assert all((world.output / "clips" / f"{row[0]}_{int(row[1]):06d}.mp4").is_file() for row in listed)
    assert [row[3] for row in rows(world.output / "ood.csv")] == ["test"] * 3


def test_the_side_file_has_a_line_for_each_clip(world: RenderedWorld) -> None:
    lines = [json.loads(line) for line in (world.output / "attributes.jsonl").read_text().splitlines()]
    assert [line["clip_id"] for line in lines] == [clip.clip_id for clip in plan_world(CLIPS, SEED)]
    assert lines[-1]["style"] == "sketch"


def test_a_clip_decodes_to_what_was_drawn_and_heard(world: RenderedWorld) -> None:
    for index in (0, 9):
        clip = describe_clip(SEED, "train", index)
        drawn, heard = paint(clip), synthesise(clip)
        path = clip_path(world.output, clip)
        seen = read_frames(path, PICTURE)
        assert seen.shape == drawn.shape == (20, 96, 96, 3)
        assert np.abs(seen.astype(int) - drawn).mean() < 8
        wave = read_audio(path, SOUND)
        assert wave.shape == (40_960,)
        assert np.corrcoef(wave, heard.mean(axis=0))[0, 1] > 0.9


def test_sounds_are_stereo_and_repeatable() -> None:
    waves = [synthesise(describe_clip(SEED, "test", index)) for index in (3, 4)]
    assert all(wave.shape == (2, 40_960) and wave.dtype == np.float32 for wave in waves)
    assert max(np.abs(wave).max() for wave in waves) <= 1
    assert not np.array_equal(waves[0][0], waves[0][1])
    assert np.array_equal(waves[1], synthesise(describe_clip(SEED, "test", 4)))


def test_no_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--clips is 0"):
        render_world(tmp_path, 0)


def test_still_images_have_imagehears_shape(world: RenderedWorld) -> None:
    names = sorted(path.stem for path in (world.output / "imagehear").glob("*.jpg"))
    assert len(names) == 101
    counts = [sum(name.rstrip("0123456789") == event for name in names) for event in EVENT_NAMES]
    assert set(counts) == {3, 4}
    with Image.open(world.output / "imagehear" / f"{names[0]}.jpg") as image:
        assert image.size == (96, 96)


def test_rendering_again_renders_only_what_is_missing(world: RenderedWorld) -> None:
    clip = clip_path(world.output, describe_clip(SEED, "train", 2))
    before = read_frames(clip, PICTURE), read_audio(clip, SOUND)
    untouched = clip_path(world.output, describe_clip(SEED, "train", 3)).stat().st_mtime_ns
    clip.unlink()
    again = render_world(world.output, CLIPS, SEED)
    assert (again.clips, again.rendered) == (33, 1)
    # Rendered in this process, and before by one of several.
    assert np.abs(read_frames(clip, PICTURE).astype(int) - before[0]).mean() < 1
    assert np.array_equal(read_audio(clip, SOUND), before[1])
    assert clip_path(world.output, describe_clip(SEED, "train", 3)).stat().st_mtime_ns == untouched


@pytest.mark.parametrize(("clips", "seed", "named"), [(31, SEED, "clips 30"), (CLIPS, 8, "seed 7")])
def test_another_world_is_refused_in_the_same_folder(world: RenderedWorld, clips: int, seed: int, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        render_world(world.output, clips, seed)


def test_a_spoilt_marker_is_named(tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text("{")
    with pytest.raises(UsageError, match=r"world\.json"):
        render_world(tmp_path, 1)


def test_the_command_says_how_fast_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    miniature["render"](clips=3, seed=1, output=tmp_path / "world", workers=1)
    assert "3 clips, 3 of them rendered now" in capsys.readouterr().out
    assert len(list((tmp_path / "world" / "clips").iterdir())) == 3
