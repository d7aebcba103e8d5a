"""Sounds of the miniature world: what is seen is heard, what is hidden varies, and no pause is digital silence."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from v2a_lightning.miniature.check import mean_pitch, redrawn
from v2a_lightning.miniature.world.events import EVENT_BY_NAME, EVENT_NAMES
from v2a_lightning.miniature.world.pictures import paint
from v2a_lightning.miniature.world.scenes import ClipDescription, Scene, describe_clip, draw_scene
from v2a_lightning.miniature.world.sounds import PLAYERS, synthesise

PITCHED = [name for name in EVENT_NAMES if EVENT_BY_NAME[name].pitched]


def a_clip(scene: Scene) -> ClipDescription:
    return ClipDescription("aaaaaaaaaaa_000000", "train", "flat", scene.event, (scene,), 1.0)


def mono(scene: Scene) -> torch.Tensor:
    return torch.from_numpy(synthesise(a_clip(scene)).mean(0, keepdims=True))


def test_every_event_has_a_sound() -> None:
    assert set(PLAYERS) == set(EVENT_NAMES)


@pytest.mark.parametrize("index", range(28))
def test_sounds_are_stereo_within_range_and_the_same_each_time(index: int) -> None:
    clip = describe_clip(3, "test", index)
    wave = synthesise(clip)
    assert wave.shape == (2, 40_960)
    assert wave.dtype == np.float32
    assert np.abs(wave).max() <= 1.0
    assert np.abs(wave).max() > 0.05
    assert np.array_equal(wave, synthesise(clip))


@pytest.mark.parametrize("event", PITCHED)
def test_small_things_sound_higher(event: str) -> None:
    higher = []
    for seed in range(4):
        scene = draw_scene(event, np.random.default_rng(seed))
        small, large = (mean_pitch(mono(replace(scene, size=size)))[0] for size in (0.0, 1.0))
        higher.append(small > large)
    assert all(higher)


def test_no_part_of_a_clip_is_digital_silence() -> None:
    for index in range(28):
        wave = synthesise(describe_clip(0, "train", index)).mean(0)
        quietest = np.sqrt((wave.reshape(-1, 640) ** 2).mean(1)).min()
        assert 20 * np.log10(quietest) > -62


def test_what_is_hidden_changes_the_sound_and_not_the_picture() -> None:
    clip = next(clip for clip in (describe_clip(0, "train", i) for i in range(9)) if len(clip.scenes) == 1)
    other = redrawn(clip, np.random.default_rng(0))
    same_jitter = replace(other, scenes=(replace(other.scenes[0], seed=clip.scenes[0].seed),))
    assert not np.array_equal(synthesise(clip), synthesise(same_jitter))
    assert np.array_equal(paint(clip), paint(same_jitter))


def test_two_scenes_are_heard_one_after_the_other() -> None:
    clip = next(clip for clip in (describe_clip(0, "train", index) for index in range(200)) if len(clip.scenes) == 2)
    cut = round(clip.boundary * 40_960)
    alone = synthesise(replace(clip, scenes=clip.scenes[:1], boundary=1.0))
    both = synthesise(clip)
    # The second scene changes what comes after it and leaves the first's beginning as loud as it was.
    assert np.corrcoef(both[0, cut + 800 :], alone[0, cut + 800 :])[0, 1] < 0.5
    assert both[:, : cut // 2].std() > 0.002
