"""A damaged packet costs itself; what is too much, or is no clip at all, is one clear reason."""

from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from v2a_lightning.media import ClipRequest, MediaError, decode_clip, picture_seconds, probe, read_audio, read_frames
from v2a_lightning.media.frames import Backend
from v2a_lightning.specs import AudioSpec, FrameSpec

from .conftest import tone, write_sound
from .matrix import FPS, Shape, click_times, number_of, picture, write

SPEC = AudioSpec(48_000, 3)
BACKENDS: list[Backend] = ["pyav", "decord"]


def spoil(source: Path, target: Path, kind: str, which: list[int]) -> None:
    """Overwrite most of some packets of a stream."""
    with av.open(str(source)) as container:
        stream = container.streams.audio[0] if kind == "audio" else container.streams.video[0]
        packets = [(packet.pos, packet.size) for packet in container.demux(stream) if packet.size]
    content = bytearray(source.read_bytes())
    for index in which:
        begin, size = packets[index]
        content[begin + 2 : begin + size] = b"\xff" * (size - 2)
    target.write_bytes(content)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damage") / "whole.mp4"
    write(path, Shape("mp4", encoding={"bf": "0"}))
    return path


def test_a_damaged_sound_packet_is_silence_in_its_place(whole: Path, tmp_path: Path) -> None:
    # The first click begins in packet 1 + 0.5 * 48000 / 1024 = 24; 140 packets in all.
    spoil(whole, tmp_path / "a.mp4", "audio", [23, 24, 25])
    waveform = read_audio(tmp_path / "a.mp4", SPEC)
    assert click_times(waveform, 48_000) == pytest.approx([1.5, 2.5], abs=0.002)
    decode_clip(ClipRequest(tmp_path / "a.mp4", FrameSpec(8, 3), SPEC))
    late = read_audio(tmp_path / "a.mp4", AudioSpec(48_000, 1), start=1.2)
    assert click_times(late, 48_000) == pytest.approx([0.3], abs=0.002)
    spoil(whole, tmp_path / "b.mp4", "audio", list(range(20, 40)))
    with pytest.raises(MediaError, match=r"undecodable \(0\.4\d s of 3\.00 s of sound are damaged"):
        read_audio(tmp_path / "b.mp4", SPEC)


def test_a_damaged_picture_leaves_the_one_before_it_on_the_screen(whole: Path, tmp_path: Path) -> None:
    spoil(whole, tmp_path / "a.mp4", "video", [35])
    frames = read_frames(tmp_path / "a.mp4", FrameSpec(FPS, 3))
    numbers = [number_of(frame) for frame in frames]
    assert [number for index, number in enumerate(numbers) if index != 35] == [*range(35), *range(36, 75)]
    spoil(whole, tmp_path / "first.mp4", "video", [0])
    for backend in BACKENDS:
        later = read_frames(tmp_path / "first.mp4", FrameSpec(8, 2), start=0.5, backend=backend)
        assert [number_of(frame) for frame in later] == [14, 17, 20, 23, 26, 29, 32, 35, 39, 42, 45, 48, 51, 54, 57, 60]
    spoil(whole, tmp_path / "b.mp4", "video", list(range(75)))
    with pytest.raises(MediaError, match="undecodable"):
        read_frames(tmp_path / "b.mp4", FrameSpec(FPS, 3))


def test_the_default_track_is_heard_else_the_one_with_most_channels(tmp_path: Path) -> None:
    for default, expected in ((None, 1), (0, 0), (1, 1)):
        with av.open(str(tmp_path / "a.mka"), "w") as container:
            streams = [container.add_stream("pcm_f32le", rate=16_000, layout=layout) for layout in ("mono", "stereo")]
            for index, stream in enumerate(streams):
                stream.disposition = av.stream.Disposition.default if index == default else av.stream.Disposition(0)
            for level, stream in zip((0.2, 0.6), streams, strict=True):
                samples = np.full((1, 16_000 * stream.channels), level, np.float32)
                frame = av.AudioFrame.from_ndarray(samples, format="flt", layout=stream.layout.name)
                frame.sample_rate = 16_000
                container.mux(stream.encode(frame) + stream.encode(None))
        assert read_audio(tmp_path / "a.mka", AudioSpec(16_000, 1))[0] == pytest.approx((0.2, 0.6)[expected])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_sound_that_is_no_number_has_a_reason_of_its_own(tmp_path: Path, value: float) -> None:
    waveform = tone(1.0, 16_000).astype(np.float64)
    waveform[500] = value
    soundfile.write(tmp_path / "a.wav", waveform, 16_000, subtype="DOUBLE")
    with pytest.raises(MediaError, match="1 of 16000 samples are NaN or infinite") as caught:
        read_audio(tmp_path / "a.wav", AudioSpec(16_000, 1))
    assert caught.value.reason == "not_finite"


class OneWay:
    """A pipe: what was written stays as it is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, content: bytes) -> int:
        with self.path.open("ab") as file:
            return file.write(content)


@pytest.mark.parametrize("name", ["webm", "matroska", "mp4", "flv", "h264"])
def test_a_duration_that_the_header_does_not_have_is_measured(whole: Path, tmp_path: Path, name: str) -> None:
    source = whole
    if name == "webm":
        source = tmp_path / "vp8.webm"
        write(source, Shape("webm", "libvpx", "libopus"))
    options = {"movflags": "frag_keyframe+empty_moov"} if name == "mp4" else {}
    with av.open(str(source)) as old, av.open(OneWay(tmp_path / "pipe"), "w", format=name, options=options) as new:
        copied = list(old.streams.video) if name == "h264" else list(old.streams)
        streams = {stream.index: new.add_stream_from_template(stream) for stream in copied}
        for packet in old.demux(copied):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    assert probe(tmp_path / "pipe").duration == pytest.approx(3.0, abs=0.1)
    assert picture_seconds(tmp_path / "pipe") == pytest.approx(3.0, abs=0.1)
    assert [number_of(frame) for frame in read_frames(tmp_path / "pipe", FrameSpec(1, 1), start=2.01)] == [62]


def test_a_duration_that_is_not_true_is_measured(tmp_path: Path) -> None:
    """The header of a joined MP3 speaks for its first part only."""
    write_sound(tmp_path / "a.mp3", np.stack([tone(2.0, 48_000)]), 48_000, "libmp3lame", "mono")
    (tmp_path / "joined.mp3").write_bytes((tmp_path / "a.mp3").read_bytes() * 2)
    assert probe(tmp_path / "a.mp3").duration == pytest.approx(2.0, abs=0.1)
    assert probe(tmp_path / "joined.mp3").duration == pytest.approx(4.0, abs=0.2)


def test_a_file_that_breaks_off_is_as_long_as_what_is_left(tmp_path: Path) -> None:
    write(tmp_path / "whole.mkv", Shape("mkv"))
    content = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "part.mkv").write_bytes(content[: len(content) // 2])
    assert 1.0 < probe(tmp_path / "part.mkv").duration < 2.0
    assert number_of(read_frames(tmp_path / "part.mkv", FrameSpec(1, 1))[0]) == 12
    with pytest.raises(MediaError, match="s of sound from 0 s, 3 s wanted"):
        read_audio(tmp_path / "part.mkv", SPEC)


def test_any_bytes_are_read_or_refused(whole: Path, tmp_path: Path) -> None:
    """Truncated files, and files with bytes changed at random: nothing but MediaError comes out."""
    random = np.random.default_rng(0)
    frames = [Image.fromarray(picture(number)) for number in (1, 2)]
    sources = [whole]
    for suffix in ("mkv", "ts", "avi"):
        sources.append(tmp_path / f"whole.{suffix}")
        write(sources[-1], Shape(suffix, *(() if suffix != "avi" else ("mpeg4", "libmp3lame"))))
    for suffix in ("jpg", "png", "gif", "webp", "tif", "bmp", "avif", "jp2", "tga", "ppm"):
        sources.append(tmp_path / f"whole.{suffix}")
        many = {"save_all": True, "append_images": frames[1:]} if suffix in ("gif", "png", "webp") else {}
        frames[0].save(sources[-1], **many)
    for source in sources:
        content = source.read_bytes()
        for turn in range(8):
            changed = bytearray(content)
            for place in random.integers(0, min(len(changed), 600 if turn % 2 else len(changed)), 12):
                changed[place] = random.integers(256)
            target = tmp_path / f"changed{source.suffix}"
            target.write_bytes(changed if turn < 6 else content[: random.integers(len(content))])
            for read in (
                lambda path: read_frames(path, FrameSpec(4, 2)),
                lambda path: read_frames(path, FrameSpec(4, 1), start=1.5, backend="decord"),
                lambda path: read_audio(path, AudioSpec(16_000, 1), start=0.7),
                probe,
            ):
                with suppress(MediaError):
                    read(target)
