"""The frame on the screen and the click in its place, in every container, codec and timing, from any start."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from v2a_lightning.media import probe, read_audio, read_frames
from v2a_lightning.media.decord_frames import read_with_decord
from v2a_lightning.media.frames import Backend
from v2a_lightning.specs import AudioSpec, FrameSpec

from .matrix import CLICKS, FPS, SECONDS, Shape, click_times, cut, first_picture, number_of, shown, write

UNEVEN = (0, 40, 400, 420, 460, 1000, 1033, 1500, 1900, 2000, 2100, 2900)
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
VPX = {"cpu-used": "8", "deadline": "realtime"}

SHAPES = {
    "mp4": Shape("mp4"),
    "mp4-uneven": Shape("mp4", times=UNEVEN),
    "mp4-picture-late": Shape("mp4", picture_late=12),
    "mp4-later": Shape("mp4", later=7),
    "mp4-open-groups": Shape("mp4", encoding={"x264-params": "open-gop=1:bframes=3:b-adapt=0"}),
    "mp4-intra-refresh": Shape("mp4", encoding={"x264-params": "intra-refresh=1"}),
    "mp4-interlaced": Shape("mp4", encoding={"flags": "+ilme+ildct"}),
    "mp4-full-range": Shape("mp4", pixels="yuvj420p"),
    "mp4-10-bit": Shape("mp4", pixels="yuv420p10le"),
    "mp4-hevc": Shape("mp4", "libx265", encoding={"preset": "ultrafast", "x265-params": "log-level=none:pools=none"}),
    "mp4-av1": Shape("mp4", "libsvtav1", encoding={"preset": "12", "svtav1-params": "lp=1"}),
    "mp4-mpeg4": Shape("mp4", "mpeg4", encoding={"bf": "2"}),
    "mp4-fragmented": Shape("mp4", muxing=FRAGMENTS),
    "mp4-fragmented-uneven": Shape("mp4", times=UNEVEN, muxing=FRAGMENTS),
    "mov-prores": Shape("mov", "prores_ks", "pcm_s16le", pixels="yuv422p10le"),
    "m4v": Shape("m4v", container="mp4"),
    "mkv": Shape("mkv", audio="flac"),
    "mkv-uneven": Shape("mkv", times=UNEVEN),
    "mkv-picture-late": Shape("mkv", picture_late=12),
    "mkv-later": Shape("mkv", later=7),
    "mkv-ffv1": Shape("mkv", "ffv1", "pcm_s16le"),
    "webm-vp8": Shape("webm", "libvpx", "libopus", encoding=VPX),
    "webm-vp9": Shape("webm", "libvpx-vp9", "libopus", encoding=VPX),
    "webm-vp9-uneven": Shape("webm", "libvpx-vp9", "libopus", encoding=VPX, times=UNEVEN),
    "ts": Shape("ts"),
    "ts-uneven": Shape("ts", times=UNEVEN),
    "ts-picture-late": Shape("ts", picture_late=12),
    "m2ts-mpeg2": Shape("m2ts", "mpeg2video", "mp2", encoding={"bf": "2"}),
    "mpg": Shape("mpg", "mpeg2video", "mp2", encoding={"bf": "2"}),
    "avi-mpeg4": Shape("avi", "mpeg4", "libmp3lame"),
    "avi-mjpeg": Shape("avi", "mjpeg", "pcm_s16le", pixels="yuvj420p"),
    "flv": Shape("flv"),
    "flv-flv1": Shape("flv", "flv"),
    "wmv": Shape("wmv", "wmv2", "wmav2"),
    "ogv-vp8": Shape("ogv", "libvpx", "libopus", encoding=VPX, container="ogg"),
    "3gp-h263": Shape("3gp", "h263"),
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matrix")


@pytest.mark.parametrize("name", SHAPES)
def test_frames_and_clicks_are_where_the_timestamps_say(clips: Path, name: str) -> None:
    shape = SHAPES[name]
    path = clips / f"{name}.{shape.suffix}"
    write(path, shape)
    begin = first_picture(path)
    assert begin == pytest.approx(shape.begin(0), abs=0.5)
    check_frames(path, list(range(shape.count)))
    # AVI cannot say that MP3 begins with the encoder's own silence.
    tolerance = 0.03 if name == "avi-mpeg4" else 0.002
    check_clicks(path, [begin - shape.begin(0) + time for time in CLICKS], tolerance)
    assert probe(path).duration == pytest.approx(SECONDS + begin, abs=0.15)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("shift", [0.0, 1.2])
def test_clips_that_were_cut_by_copying(clips: Path, suffix: str, shift: float) -> None:
    """With the shift the keyframe at 0.96 s stands before zero: an MP4 hides what is there, the others show it."""
    whole, part = clips / "whole.mp4", clips / f"cut{shift}.{suffix}"
    write(whole, SHAPES["mp4"])
    cut(whole, part, 1.2, shift)
    first = 30 if suffix == "mp4" and shift else 24
    check_frames(part, list(range(first, FPS * SECONDS)))
    check_clicks(part, [first_picture(part) + time - first / FPS for time in CLICKS[1:]], 0.002)


def test_decord_decodes_what_it_decodes_as_pyav_does(clips: Path) -> None:
    for name, known in (("mp4", True), ("mp4-uneven", True), ("m4v", True), ("mp4-open-groups", False), ("mkv", False)):
        write(clips / f"known.{name}", replace(SHAPES[name], container={"mkv": "matroska"}.get(name, "mp4")))
        assert (read_with_decord(clips / f"known.{name}", [0.1]) is not None) == known


def check_frames(path: Path, numbers: list[int]) -> None:
    backends: list[Backend] = ["pyav", "decord"]
    for start, spec in ((0.0, FrameSpec(8, 1.5)), (1.3, FrameSpec(5, 1.2))):
        expected = shown(path, numbers, [start + time for time in spec.times])
        frames = [read_frames(path, spec, start=start, backend=backend) for backend in backends]
        for found in frames:
            assert [number_of(one) for one in found] == expected
        assert np.abs(frames[0].astype(int) - frames[1]).max() <= 3


def check_clicks(path: Path, expected: list[float], tolerance: float) -> None:
    whole = click_times(read_audio(path, AudioSpec(48_000, 3.5), allow_short=True), 48_000)
    assert whole == pytest.approx(expected, abs=tolerance)
    start = whole[-1] - 1.0
    part = click_times(read_audio(path, AudioSpec(48_000, 1.4), start=start, allow_short=True), 48_000)
    assert start + part[-1] == pytest.approx(whole[-1], abs=0.002)
