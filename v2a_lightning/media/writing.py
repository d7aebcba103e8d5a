"""Writing waveforms and clips: 24-bit PCM, H.264 and AAC, always whole files or none."""

import heapq
import io
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write, path_of_id
from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.opening import open_media, packets_of, picture_stream, time_zero
from v2a_lightning.media.pictures import animation_frames, is_animation

# Which instructions x264 uses depends on the processor unless they are named, and the same frames became other bytes
# now and then. The bytes with these are those of AVX2.
SAME_EVERYWHERE = {"x264-params": "asm=SSE2,SSSE3,SSE4.2"} if platform.machine() in ("x86_64", "AMD64") else {}
AAC_BITS_PER_SECOND = 128_000
# Ticks of frames that have times of their own, as in MPEG.
PICTURE_CLOCK = Fraction(1, 90_000)
# What a player is told of an animation's frames a second; each has its own time.
ANIMATION_RATE = 25
# Where a picture is copied to: the most widely played container first, then those that hold more codecs.
CONTAINERS = (".mp4", ".mkv", ".mov", ".flv", ".wmv")
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


def write_waveform(path: Path | str, waveform: NDArray[np.float32], sample_rate: int) -> None:
    """Write a waveform of shape (N,), or (N, channels), as 24-bit PCM; values beyond [-1, 1] are clipped.

    A generated waveform differs in its seventh digit with its batch. In 16 bits a few samples of it would
    differ by a whole step, and scores with them.
    """
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, np.clip(waveform, -1.0, 1.0), sample_rate, subtype="PCM_24", format="WAV")
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def write_clip(
    path: Path | str,
    frames: NDArray[np.uint8],
    fps: float,
    waveform: NDArray[np.float32] | None,
    sample_rate: int = 16_000,
) -> None:
    """Write a clip as H.264 (and AAC) in the container its suffix names.

    Args:
        path: the file to write, usually .mp4.
        frames: uint8 RGB (T, H, W, 3).
        fps: frames per second.
        waveform: float32 in [-1, 1], (N,) for mono or (N, 2) for stereo; None writes a clip without sound.
        sample_rate: of the waveform.

    Raises:
        ValueError: when frames or waveform have another shape or type.
        UsageError: when AAC cannot carry the sample rate.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"frames are uint8 (T, H, W, 3) with T > 0, not {frames.dtype} {frames.shape}")
    encode_clip(path, ((None, pixels) for pixels in frames), fps, waveform, sample_rate, quality=20)


def encode_clip(
    path: Path | str,
    pictures: Iterator[tuple[float | None, NDArray[np.uint8]]],
    fps: float,
    waveform: NDArray[np.float32] | None,
    sample_rate: int,
    *,
    quality: int,
) -> None:
    """Encode pictures (H, W, 3) as H.264, each at its time in seconds or, without times, at `fps`, and a waveform.

    An odd height or width is made even by repeating the last row or column. `quality` is x264's constant rate factor;
    lower is better.
    """
    first = next(pictures)
    with atomic_write(path) as temporary, av.open(str(temporary), "w") as container:
        video = _h264_stream(container, first, fps, quality)
        packets = [_encoded_pictures(video, chain([first], pictures))]
        if waveform is not None:
            packets.append(_encoded_waveform(_aac_stream(container, sample_rate, waveform), waveform, sample_rate))
        _mux(container, *packets)


def replace_audio(
    video: Path | str,
    waveform: NDArray[np.float32],
    sample_rate: int,
    output: Path | str,
    *,
    seconds: float | None = None,
) -> None:
    """Put a waveform (N,) or (N, 2) under a clip's picture, whose packets are copied as they are.

    Players show no animation (GIF, WebP, PNG, AVIF) with sound: it is encoded as H.264, each frame at its time.
    `seconds` is how much of the picture is kept, to the few frames that its codec needs; None keeps all of it.

    Raises:
        MediaError: when `video` has no picture stream or cannot be read.
        UsageError: when the output's container cannot hold the picture's codec.
    """
    _check_waveform(waveform, sample_rate)
    if is_animation(video):
        end = float("inf") if seconds is None else seconds
        pictures = ((begin, pixels) for begin, _, pixels in animation_frames(video) if begin < end)
        encode_clip(output, pictures, ANIMATION_RATE, waveform, sample_rate, quality=20)
        return
    with open_media(video) as source, atomic_write(output) as temporary:
        stream = picture_stream(source)
        if stream is None:
            raise MediaError(video, "no_video")
        with _opened(temporary, Path(output), stream) as (container, target):
            audio = _aac_stream(container, sample_rate, waveform)
            picture = _until(_copied_packets(source, stream, target), seconds)
            _mux(container, picture, _encoded_waveform(audio, waveform, sample_rate))
        _check_copy(temporary, Path(output), stream)


def copy_with_sound(
    video: Path | str,
    waveform: NDArray[np.float32],
    sample_rate: int,
    folder: Path,
    name: str,
    *,
    seconds: float | None = None,
) -> Path:
    """`replace_audio` into `folder`, as `name` with the first suffix of `CONTAINERS` that can hold the picture's codec.

    Raises:
        MediaError: when `video` has no picture stream or cannot be read, or no container can hold its picture.
    """
    for suffix in CONTAINERS:
        output = path_of_id(folder, name, suffix)
        try:
            replace_audio(video, waveform, sample_rate, output, seconds=seconds)
        except ContainerError as error:
            reason = str(error)
        else:
            return output
    raise MediaError(video, "undecodable", f"no container can hold a copy of the picture; {reason}")


class ContainerError(UsageError):
    """A container cannot hold a codec."""

    def __init__(self, output: Path, stream: VideoStream, reason: Exception) -> None:
        codec = stream.codec_context.codec.canonical_name
        super().__init__(f"{output}: a {output.suffix} file cannot hold {codec} pictures; try .mkv ({reason})")


def _h264_stream(
    container: OutputContainer, first: tuple[float | None, NDArray[np.uint8]], fps: float, quality: int
) -> VideoStream:
    options = {"preset": "veryfast", "crf": str(quality), "threads": "1", **SAME_EVERYWHERE}
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
    height, width = first[1].shape[:2]
    stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
    stream.codec_context.thread_count = 1
    if first[0] is not None:
        stream.codec_context.time_base = PICTURE_CLOCK
    return stream


def _check_waveform(waveform: NDArray[np.float32], sample_rate: int) -> None:
    if waveform.ndim not in (1, 2) or (waveform.ndim == 2 and waveform.shape[1] not in (1, 2)):
        raise ValueError(f"a waveform is (N,) or (N, 2), not {waveform.shape}")
    if sample_rate not in AAC_RATES:
        raise UsageError(f"AAC has no sample rate of {sample_rate} Hz; resample to one of {AAC_RATES}")


def _aac_stream(container: OutputContainer, sample_rate: int, waveform: NDArray[np.float32]) -> AudioStream:
    _check_waveform(waveform, sample_rate)
    layout = "stereo" if waveform.ndim == 2 and waveform.shape[1] == 2 else "mono"
    # The "fast" coder takes a third of the default one's time, and its error was smaller on noise, chirps and clicks.
    stream = container.add_stream("aac", rate=sample_rate, layout=layout, options={"aac_coder": "fast"})
    stream.bit_rate = AAC_BITS_PER_SECOND
    return stream


def _mux(container: OutputContainer, *packets: "Iterator[Packet[Any]]") -> None:
    for packet in heapq.merge(*packets, key=_packet_seconds):
        container.mux(packet)


def _encoded_pictures(
    stream: VideoStream, pictures: Iterable[tuple[float | None, NDArray[np.uint8]]]
) -> "Iterator[Packet[Any]]":
    latest = -1
    for time, pixels in pictures:
        odd = (0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)
        even = np.pad(pixels, odd, mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        if time is not None:
            # Two frames at one time would be one too many for the container.
            latest = max(latest + 1, round(time / PICTURE_CLOCK))
            frame.pts, frame.time_base = latest, PICTURE_CLOCK
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encoded_waveform(stream: AudioStream, waveform: NDArray[np.float32], sample_rate: int) -> "Iterator[Packet[Any]]":
    channels = np.atleast_2d(np.clip(waveform, -1.0, 1.0).astype(np.float32).T)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=stream.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = sample_rate, 0, Fraction(1, sample_rate)
    yield from stream.encode(frame)
    yield from stream.encode(None)


@contextmanager
def _opened(file: Path, output: Path, template: VideoStream) -> Iterator[tuple[OutputContainer, VideoStream]]:
    try:
        with av.open(str(file), "w") as container:
            # "Opaque", since FFmpeg reads codecs, or reads them by libraries, that it cannot write.
            yield container, container.add_stream_from_template(template, opaque=True)
    except (ValueError, av.ArgumentError) as error:
        raise ContainerError(output, template, error) from error


def _check_copy(file: Path, output: Path, template: VideoStream) -> None:
    """Some codecs, such as uncompressed pictures, need what only their own container says of them."""
    try:
        with av.open(str(file)) as copy:
            next(copy.decode(video=0))
    except (av.FFmpegError, StopIteration) as error:
        raise ContainerError(output, template, error) from error


def _copied_packets(source: InputContainer, stream: VideoStream, target: VideoStream) -> "Iterator[Packet[Any]]":
    """The picture's packets on a clock that starts at zero, where the new sound begins, as the clip's own starts."""
    start = round(time_zero(source) / (stream.time_base or 1))
    with suppress(av.FFmpegError):
        # A file that breaks off ends there.
        for packet in packets_of(source, stream):
            if packet.dts is None and packet.pts is None:
                continue
            packet.dts = None if packet.dts is None else packet.dts - start
            packet.pts = None if packet.pts is None else packet.pts - start
            packet.stream = target
            yield packet


def _until(packets: "Iterator[Packet[Any]]", seconds: float | None) -> "Iterator[Packet[Any]]":
    """The packets of the first `seconds`, and those after them that they need: a later one that is stored before."""
    if seconds is None:
        yield from packets
        return
    later: list[Packet[Any]] = []
    for packet in packets:
        if _packet_seconds(packet) >= seconds:
            return
        later.append(packet)
        shown = packet.dts if packet.pts is None else packet.pts
        if float((shown or 0) * (packet.time_base or 0)) < seconds:
            yield from later
            later = []


def _packet_seconds(packet: "Packet[Any]") -> float:
    time = packet.dts if packet.dts is not None else packet.pts
    return float((time or 0) * (packet.time_base or 0))
