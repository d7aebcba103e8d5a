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

# Of which instructions x264 makes use depends on the processor unless it is said. On one machine the same frames became
# other bytes now and then; where this was looked into they never did, so why is not known. The bytes with these are
# those of AVX2.
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
    *,
    quality: int = 20,
) -> None:
    """Write a clip as H.264 (and AAC) in the container its suffix names.

    Args:
        path: the file to write, usually .mp4.
        frames: uint8 RGB (T, H, W, 3). An odd height or width is made even by repeating the last row or column.
        fps: frames per second.
        waveform: float32 in [-1, 1], shape (N,) for mono or (N, 2) for stereo; None writes a clip without sound.
        sample_rate: of the waveform; one that AAC knows.
        quality: x264's constant rate factor; lower is better.

    Raises:
        ValueError: when frames or waveform have another shape or type.
        UsageError: when AAC cannot carry the sample rate.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"frames are uint8 (T, H, W, 3) with T > 0, not {frames.dtype} {frames.shape}")
    with atomic_write(path) as temporary, av.open(str(temporary), "w") as container:
        video = h264_stream(container, frames.shape[1], frames.shape[2], fps, quality)
        audio = None if waveform is None else aac_stream(container, sample_rate, waveform)
        packets = [_encode_frames(video, frames)]
        if audio is not None and waveform is not None:
            packets.append(encode_wave(audio, waveform, sample_rate))
        for packet in heapq.merge(*packets, key=packet_seconds):
            container.mux(packet)


def replace_audio(
    video: Path | str,
    waveform: NDArray[np.float32],
    sample_rate: int,
    output: Path | str,
    *,
    seconds: float | None = None,
) -> None:
    """Put a waveform under a clip's picture. The picture's packets are copied as they are, so nothing is lost.

    Players show no animation (GIF, WebP, PNG, AVIF) with sound: it is encoded as H.264, each frame at its time.

    Args:
        video: the clip whose picture is kept.
        waveform: float32 (N,) or (N, 2); it begins where the clip's clock starts.
        sample_rate: of the waveform.
        output: the file to write.
        seconds: how much of the picture is kept, to the few frames that its codec needs; None keeps all of it.

    Raises:
        MediaError: when `video` has no picture stream or cannot be read.
        UsageError: when the output's container cannot hold the picture's codec.
    """
    check_waveform(waveform, sample_rate)
    if is_animation(video):
        _encode_animation(video, waveform, sample_rate, output, float("inf") if seconds is None else seconds)
        return
    with open_media(video) as source, atomic_write(output) as temporary:
        stream = picture_stream(source)
        if stream is None:
            raise MediaError(video, "no_video")
        with _opened(temporary, Path(output), stream) as (container, target):
            audio = aac_stream(container, sample_rate, waveform)
            picture = _until(_copied_packets(source, stream, target), seconds)
            for packet in heapq.merge(picture, encode_wave(audio, waveform, sample_rate), key=packet_seconds):
                container.mux(packet)
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

    Returns:
        the copy's path.

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


def h264_stream(
    container: OutputContainer, height: int, width: int, fps: float, quality: int, clock: Fraction | None = None
) -> VideoStream:
    """Add an H.264 stream that encodes in one thread, fast; with a clock its frames may have any times."""
    options = {"preset": "veryfast", "crf": str(quality), "threads": "1", **SAME_EVERYWHERE}
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
    stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
    stream.codec_context.thread_count = 1
    if clock is not None:
        stream.codec_context.time_base = clock
    return stream


def check_waveform(waveform: NDArray[np.float32], sample_rate: int) -> None:
    """ValueError unless a waveform is (N,), (N, 1) or (N, 2), UsageError for a sample rate that AAC does not have."""
    if waveform.ndim not in (1, 2) or (waveform.ndim == 2 and waveform.shape[1] not in (1, 2)):
        raise ValueError(f"a waveform is (N,) or (N, 2), not {waveform.shape}")
    if sample_rate not in AAC_RATES:
        raise UsageError(f"AAC has no sample rate of {sample_rate} Hz; resample to one of {AAC_RATES}")


def aac_stream(container: OutputContainer, sample_rate: int, waveform: NDArray[np.float32]) -> AudioStream:
    """Add an AAC stream for a waveform (N,) or (N, 2); UsageError when AAC has no such sample rate."""
    check_waveform(waveform, sample_rate)
    layout = "stereo" if waveform.ndim == 2 and waveform.shape[1] == 2 else "mono"
    # The "fast" coder takes a third of the default one's time, and its error was smaller on noise, chirps and clicks.
    stream = container.add_stream("aac", rate=sample_rate, layout=layout, options={"aac_coder": "fast"})
    stream.bit_rate = AAC_BITS_PER_SECOND
    return stream


def _encode_frames(stream: VideoStream, frames: NDArray[np.uint8]) -> "Iterator[Packet[Any]]":
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    for pixels in frames:
        yield from stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"))
    yield from stream.encode(None)


def encode_pictures(
    stream: VideoStream, pictures: Iterable[tuple[float, NDArray[np.uint8]]]
) -> "Iterator[Packet[Any]]":
    """The packets of pictures (H, W, 3) with their times in seconds; the stream has `PICTURE_CLOCK`."""
    latest = -1
    for time, pixels in pictures:
        # Two frames at one time would be one too many for the container.
        latest = max(latest + 1, round(time / PICTURE_CLOCK))
        cut = pixels[: stream.height, : stream.width]
        missing = (0, stream.height - cut.shape[0]), (0, stream.width - cut.shape[1]), (0, 0)
        even = np.pad(cut, missing, mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        frame.pts, frame.time_base = latest, PICTURE_CLOCK
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encode_animation(
    path: Path | str, waveform: NDArray[np.float32], sample_rate: int, output: Path | str, seconds: float
) -> None:
    pictures = ((begin, pixels) for begin, _, pixels in animation_frames(path) if begin < seconds)
    first = next(pictures)
    with atomic_write(output) as temporary, av.open(str(temporary), "w") as container:
        height, width = first[1].shape[:2]
        video = h264_stream(container, height, width, ANIMATION_RATE, 20, PICTURE_CLOCK)
        audio = aac_stream(container, sample_rate, waveform)
        packets = encode_pictures(video, chain([first], pictures)), encode_wave(audio, waveform, sample_rate)
        for packet in heapq.merge(*packets, key=packet_seconds):
            container.mux(packet)


def encode_wave(stream: AudioStream, waveform: NDArray[np.float32], sample_rate: int) -> "Iterator[Packet[Any]]":
    """The packets of a waveform (N,) or (N, 2), which begins at time zero."""
    channels = np.atleast_2d(np.clip(waveform, -1.0, 1.0).astype(np.float32).T)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=stream.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = sample_rate, 0, Fraction(1, sample_rate)
    yield from stream.encode(frame)
    yield from stream.encode(None)


@contextmanager
def _opened(file: Path, output: Path, template: VideoStream) -> Iterator[tuple[OutputContainer, VideoStream]]:
    """A container for `output`, written to `file`, and its picture stream."""
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
        if packet_seconds(packet) >= seconds:
            return
        later.append(packet)
        shown = packet.dts if packet.pts is None else packet.pts
        if float((shown or 0) * (packet.time_base or 0)) < seconds:
            yield from later
            later = []


def packet_seconds(packet: "Packet[Any]") -> float:
    """When a packet is due."""
    time = packet.dts if packet.dts is not None else packet.pts
    return float((time or 0) * (packet.time_base or 0))
