"""A clip is cut out of a video to the frame and to the sample."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from v2a_lightning.media import MediaError, cut_clip, probe, read_audio, read_frames, replace_audio
from v2a_lightning.specs import AudioSpec, FrameSpec

from .conftest import numbered_frames, numbers_of, tone, turn


def test_frames_and_sound_are_those_of_the_video(clip: Path, tmp_path: Path) -> None:
    cut_clip(clip, tmp_path / "cut.mp4", 0.5, 1.0)
    assert probe(tmp_path / "cut.mp4").duration == pytest.approx(1.0, abs=0.07)
    assert numbers_of(read_frames(tmp_path / "cut.mp4", FrameSpec(8, 1))) == list(range(4, 12))
    sound = read_audio(tmp_path / "cut.mp4", AudioSpec(16_000, 1.0))
    np.testing.assert_allclose(sound, read_audio(clip, AudioSpec(16_000, 1.0), start=0.5), atol=0.04)


def test_a_video_stored_sideways_with_an_odd_rate(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    video = make_clip("video.mp4", frames=numbered_frames(16, 48, 66))
    odd = tmp_path / "odd.mov"
    replace_audio(video, tone(2.0, 11_025), 11_025, odd)
    turn(odd, 90)
    cut_clip(odd, tmp_path / "cut.mp4", 0.0, 2.0)
    info = probe(tmp_path / "cut.mp4")
    assert (info.width, info.height, info.channels) == (48, 66, 2)


def test_a_video_that_is_too_short_leaves_nothing(clip: Path, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    for video, start, reason in ((clip, 1.5, "short"), (make_clip("mute.mp4"), 0.0, "no_audio")):
        with pytest.raises(MediaError) as caught:
            cut_clip(video, tmp_path / "cut.mp4", start, 1.0)
        assert caught.value.reason == reason
    assert {path.name for path in set(tmp_path.iterdir()) - before} == {"mute.mp4"}
