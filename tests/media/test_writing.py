"""Clips and waveforms come back as they were written."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.media import (
    MediaError,
    copy_with_sound,
    cut_clip,
    picture_seconds,
    read_audio,
    read_frames,
    replace_audio,
    write_clip,
    write_waveform,
)
from v2a_lightning.specs import AudioSpec, FrameSpec

from ..disks import no_file_above
from .conftest import numbered_frames, numbers_of, tone


def test_a_clip_keeps_its_frames_and_its_sound(clip: Path) -> None:
    assert numbers_of(read_frames(clip, FrameSpec(8, 2))) == list(range(16))
    expected = 0.75 * tone(2.0, 16_000)
    np.testing.assert_allclose(read_audio(clip, AudioSpec(16_000, 2.0)), expected, atol=0.02)


def test_odd_sizes_are_made_even(make_clip: Callable[..., Path]) -> None:
    frames = read_frames(make_clip(frames=numbered_frames(4, 33, 47)), FrameSpec(8, 0.5))
    assert frames.shape == (4, 34, 48, 3)


def test_a_clip_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="44056"):
        write_clip(tmp_path / "clip.mp4", numbered_frames(2), 8, tone(0.2, 44_056), 44_056)
    with pytest.raises(ValueError, match="uint8"):
        write_clip(tmp_path / "clip.mp4", numbered_frames(2).astype(np.float32), 8, None)
    assert list(tmp_path.iterdir()) == []


def test_a_wave_is_24_bit_pcm_and_clipped(tmp_path: Path) -> None:
    write_waveform(tmp_path / "wave.wav", np.array([0.5, 2.0, -3.0], np.float32), 16_000)
    info = soundfile.info(tmp_path / "wave.wav")
    assert (info.subtype, info.samplerate, info.channels) == ("PCM_24", 16_000, 1)
    waveform, _ = soundfile.read(tmp_path / "wave.wav")
    np.testing.assert_allclose(waveform, [0.5, 1.0, -1.0], atol=1e-4)


def test_a_wave_is_the_file_that_soundfile_writes(tmp_path: Path) -> None:
    waveform = np.random.default_rng(0).uniform(-1, 1, (5000, 2)).astype(np.float32)
    write_waveform(tmp_path / "wave.wav", waveform, 44_100)
    soundfile.write(tmp_path / "own.wav", waveform, 44_100, subtype="PCM_24", format="WAV")
    assert (tmp_path / "wave.wav").read_bytes() == (tmp_path / "own.wav").read_bytes()


@pytest.mark.parametrize("room", [0, 40, 4000])
def test_a_full_disk_is_one_line_with_the_file(clip: Path, tmp_path: Path, room: int) -> None:
    made, waveform = tmp_path / "made", tone(2.0, 16_000)
    writers: dict[str, Callable[[], object]] = {
        r"a\.wav": lambda: write_waveform(made / "a.wav", waveform, 16_000),
        r"a\.mp4": lambda: write_clip(made / "a.mp4", numbered_frames(8), 8, waveform),
        r"b\.mkv": lambda: replace_audio(clip, waveform, 16_000, made / "b.mkv"),
        r"c\.mp4": lambda: copy_with_sound(clip, waveform, 16_000, made, "c"),
        r"d\.mp4": lambda: cut_clip(clip, made / "d.mp4", 0.5, 1.0),
    }
    for name, write in writers.items():
        with no_file_above(room), pytest.raises(RunFailure, match=rf"{name} cannot be written: File too large"):
            write()
    assert list(made.iterdir()) == []


def test_new_sound_leaves_the_picture_untouched(clip: Path, tmp_path: Path) -> None:
    new = tone(2.0, 22_050, frequency=1000, level=0.3)
    replace_audio(clip, new, 22_050, tmp_path / "new.mp4")
    assert _picture_packets(tmp_path / "new.mp4") == _picture_packets(clip)
    np.testing.assert_allclose(read_audio(tmp_path / "new.mp4", AudioSpec(22_050, 2.0)), new, atol=0.02)


def test_new_sound_needs_a_picture_and_a_container_that_holds_it(clip: Path, tmp_path: Path) -> None:
    write_waveform(tmp_path / "wave.wav", tone(1.0, 16_000), 16_000)
    with pytest.raises(MediaError, match="no_video"):
        replace_audio(tmp_path / "wave.wav", tone(1.0, 16_000), 16_000, tmp_path / "new.mp4")
    with pytest.raises(UsageError, match=r"a \.webm file cannot hold h264 pictures"):
        replace_audio(clip, tone(1.0, 48_000), 48_000, tmp_path / "new.webm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wave.wav"]


@pytest.mark.parametrize(
    ("codec", "pixels", "container", "copy"),
    [
        ("libsvtav1", "yuv420p", ".mp4", ".mp4"),
        ("libvpx-vp9", "yuv420p", ".webm", ".mp4"),
        ("libvpx", "yuv420p", ".webm", ".mkv"),
        ("prores_ks", "yuv422p10le", ".mov", ".mkv"),
        ("qtrle", "rgb24", ".mov", ".mov"),
        ("flv", "yuv420p", ".flv", ".flv"),
        ("wmv2", "yuv420p", ".wmv", ".wmv"),
    ],
)
def test_a_copy_takes_a_container_that_holds_the_codec(
    tmp_path: Path, codec: str, pixels: str, container: str, copy: str
) -> None:
    source = tmp_path / f"source{container}"
    with av.open(str(source), "w") as file:
        stream = file.add_stream(codec, rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixels
        for picture in numbered_frames(8, 64, 64):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    new = tone(1.0, 16_000, frequency=1000, level=0.3)
    written = copy_with_sound(source, new, 16_000, tmp_path / "out", "copy")
    assert written == tmp_path / "out" / f"copy{copy}"
    assert [path.name for path in written.parent.iterdir()] == [written.name]
    assert _picture_packets(written) == _picture_packets(source)
    assert np.array_equal(_pictures(written), _pictures(source))
    np.testing.assert_allclose(read_audio(written, AudioSpec(16_000, 1.0))[1600:-1600], new[1600:-1600], atol=0.02)


def test_a_copy_of_uncompressed_pictures_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "raw.avi"), "w") as file:
        stream = file.add_stream("rawvideo", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in numbered_frames(8):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    with pytest.raises(MediaError, match="no container can hold a copy of the picture"):
        copy_with_sound(tmp_path / "raw.avi", tone(1.0, 16_000), 16_000, tmp_path, "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["raw.avi"]


def test_a_copy_ends_where_it_is_asked_to(clip: Path, tmp_path: Path) -> None:
    replace_audio(clip, tone(1.0, 16_000), 16_000, tmp_path / "new.mp4", seconds=1.0)
    assert 1.0 <= picture_seconds(tmp_path / "new.mp4") < 1.5, "the pictures that others need are kept"
    assert numbers_of(read_frames(tmp_path / "new.mp4", FrameSpec(8, 1))) == list(range(8))


def test_an_animations_length_is_that_of_its_pictures(tmp_path: Path) -> None:
    first, *others = [Image.fromarray(picture) for picture in numbered_frames(5)]
    first.save(tmp_path / "clip.gif", save_all=True, append_images=others, duration=300)
    assert picture_seconds(tmp_path / "clip.gif") == pytest.approx(1.5)


def test_a_file_that_breaks_off_ends_there(clip: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mkv"
    replace_audio(clip, tone(2.0, 16_000), 16_000, whole)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    seconds = picture_seconds(cut)
    assert 0.25 < seconds < 1.75
    copy = copy_with_sound(cut, tone(seconds, 16_000), 16_000, tmp_path / "out", "copy")
    assert picture_seconds(copy) == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".ts", ".flv"])
def test_a_pictures_length_is_measured(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    # As a recorder leaves it, that never came to write a length into the header.
    options = {"live": "1"} if suffix == ".webm" else {}
    with av.open(str(path), "w", options=options) as file:
        stream = file.add_stream("libvpx" if suffix == ".webm" else "libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in numbered_frames(13):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    assert picture_seconds(path) == pytest.approx(13 / 8, abs=0.01)
    assert suffix != ".webm" or b"\x44\x89" not in path.read_bytes()[:400], "Matroska's mark of a duration"


def _pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _picture_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_an_animation_with_sound_is_a_clip_with_its_frames_at_their_times(tmp_path: Path, suffix: str) -> None:
    pictures = [Image.fromarray(frame) for frame in numbered_frames(6, 49, 65)]
    pictures[0].save(
        tmp_path / f"a.{suffix}", save_all=True, append_images=pictures[1:], duration=[100, 500, 100, 1000, 200, 100]
    )
    replace_audio(tmp_path / f"a.{suffix}", tone(2.0, 16_000), 16_000, tmp_path / "a.mp4")
    # At 0.125, 0.375, ... s: the frames begin at 0, 0.1, 0.6, 0.7, 1.7 and 1.9 s.
    assert numbers_of(read_frames(tmp_path / "a.mp4", FrameSpec(4, 1.8)))[:7] == [1, 1, 2, 3, 3, 3, 3]
    assert read_frames(tmp_path / "a.mp4", FrameSpec(1, 1)).shape == (1, 50, 66, 3)
    np.testing.assert_allclose(read_audio(tmp_path / "a.mp4", AudioSpec(16_000, 2.0)), tone(2.0, 16_000), atol=0.06)
