"""The right frames, by the clock, from every kind of clip."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from v2a_lightning.media import MediaError, cut_clip, is_still, read_frames, replace_audio, write_clip, write_waveform
from v2a_lightning.media.frames import Backend
from v2a_lightning.specs import FrameSpec

from .conftest import numbered_frames, numbers_of, tone, write_matrix, write_uneven

BACKENDS: list[Backend] = ["pyav", "decord"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_frames_are_those_on_the_screen_at_the_spec_times(clip: Path, backend: Backend) -> None:
    # 4 a second: 0.125 s, 0.375 s, ... and at 8 frames a second those are frames 1, 3, ...
    assert numbers_of(read_frames(clip, FrameSpec(4, 2), backend=backend)) == [1, 3, 5, 7, 9, 11, 13, 15]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_start_moves_the_clock(clip: Path, backend: Backend) -> None:
    assert numbers_of(read_frames(clip, FrameSpec(4, 0.5), start=1.2, backend=backend)) == [10, 12]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_clip_that_ends_early_gives_the_frames_it_has(clip: Path, backend: Backend) -> None:
    assert numbers_of(read_frames(clip, FrameSpec(1, 4), backend=backend)) == [4, 12]
    with pytest.raises(MediaError, match="short"):
        read_frames(clip, FrameSpec(1, 4), start=2.0, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_variable_frame_rate_goes_by_timestamps(tmp_path: Path, backend: Backend) -> None:
    write_uneven(tmp_path / "uneven.mp4", numbered_frames(5), [0, 300, 350, 1500, 1900])
    frames = read_frames(tmp_path / "uneven.mp4", FrameSpec(4, 2), backend=backend)
    assert numbers_of(frames) == [0, 2, 2, 2, 2, 2, 3, 3]


# What ffmpeg shows of a picture (H, W, 3) whose display matrix has the corner (a, b, c, d).
SHOWN: dict[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]] = {
    (1, 0, 0, 1): lambda pixels: pixels,
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (-1, 0, 0, -1): lambda pixels: np.rot90(pixels, 2),
    (0, 1, 1, 0): lambda pixels: pixels.swapaxes(0, 1),
    (0, 1, -1, 0): lambda pixels: np.rot90(pixels, -1),
    (0, -1, 1, 0): lambda pixels: np.rot90(pixels, 1),
    (0, -1, -1, 0): lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
}


@pytest.mark.parametrize("corner", SHOWN)
def test_all_eight_display_matrices_are_applied_and_kept(
    make_clip: Callable[..., Path], tmp_path: Path, corner: tuple[int, int, int, int]
) -> None:
    path, spec = make_clip(frames=numbered_frames(8), waveform=tone(1.0, 16_000)), FrameSpec(4, 1)
    expected = [SHOWN[corner](frame) for frame in read_frames(path, spec)]
    write_matrix(path, corner)
    for backend in BACKENDS:
        np.testing.assert_array_equal(read_frames(path, spec, backend=backend), expected)
    replace_audio(path, tone(1.0, 16_000), 16_000, tmp_path / "sound.mp4")
    np.testing.assert_array_equal(read_frames(tmp_path / "sound.mp4", spec), expected)
    cut_clip(path, tmp_path / "cut.mp4", 0.0, 1.0)
    np.testing.assert_allclose(read_frames(tmp_path / "cut.mp4", spec), expected, atol=40)


def test_a_picture_that_changes_its_size_keeps_the_first(tmp_path: Path) -> None:
    parts = []
    for number, (height, width) in enumerate([(48, 64), (96, 128)]):
        write_clip(tmp_path / "part.ts", np.full((8, height, width, 3), 50 + 100 * number, np.uint8), 8, None)
        parts.append((tmp_path / "part.ts").read_bytes())
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    frames = read_frames(tmp_path / "joined.ts", FrameSpec(8, 2))
    assert frames.shape[1:] == (48, 64, 3)
    assert {round(float(frame.mean()) / 50) for frame in frames} == {1, 3}


def test_a_clock_that_starts_late_is_no_offset(tmp_path: Path, clip: Path) -> None:
    late = tmp_path / "late.ts"
    with av.open(str(clip)) as source, av.open(str(late), "w", options={"output_ts_offset": "7"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    with av.open(str(late)) as container:
        assert container.start_time is not None
        assert container.start_time > 6 * av.time_base
    assert numbers_of(read_frames(late, FrameSpec(4, 2))) == [1, 3, 5, 7, 9, 11, 13, 15]
    assert numbers_of(read_frames(late, FrameSpec(4, 0.5), start=1.2)) == [10, 12]


def test_pictures_give_one_upright_frame(tmp_path: Path) -> None:
    image = Image.fromarray(numbered_frames(1)[0])
    image.save(tmp_path / "plain.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert read_frames(tmp_path / "plain.png", FrameSpec(1, 10)).shape == (1, 48, 64, 3)
    turned = read_frames(tmp_path / "turned.jpg", FrameSpec(1, 10))
    assert turned.shape == (1, 64, 48, 3)
    assert turned[0, 0, -1].mean() > 200


def test_what_cannot_be_seen_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a clip" * 100)
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    write_waveform(tmp_path / "sound.wav", tone(1.0, 16_000), 16_000)
    reasons = {}
    for name in ("missing.mp4", "missing.png", "broken.mp4", "broken.png", "sound.wav"):
        with pytest.raises(MediaError) as caught:
            read_frames(tmp_path / name, FrameSpec())
        reasons[name] = caught.value.reason
        assert str(tmp_path / name) in str(caught.value)
    assert reasons == {
        "missing.mp4": "missing",
        "missing.png": "missing",
        "broken.mp4": "undecodable",
        "broken.png": "undecodable",
        "sound.wav": "no_video",
    }


def test_still_is_one_picture_but_for_its_compression_noise(make_clip: Callable[..., Path]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    still = read_frames(make_clip(frames=np.repeat(noise[None], 16, 0)), FrameSpec(4, 2))
    assert is_still(still)
    assert not is_still(read_frames(make_clip(), FrameSpec(4, 2)))
    assert not is_still(still[:1])
