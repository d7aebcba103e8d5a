"""Writing waves and clips: 24-bit PCM, H.264 and AAC, always whole files or none."""

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.media.errors import MediaError

AAC_BITS_PER_SECOND = 128_000
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


def write_wave(path: Path | str, wave: NDArray[np.float32], sample_rate: int) -> None:
    """Write a wave of shape (N,), or (N, channels), as 24-bit PCM; values beyond [-1, 1] are clipped.

    A generated wave differs in its seventh digit with the batch it was made in. In 16 bits a few samples of it would
    differ by a whole step, and scores with them.
    """
    import soundfile

    with atomic_write(path) as temporary:
        soundfile.write(temporary, np.clip(wave, -1.0, 1.0), sample_rate, subtype="PCM_24", format="WAV")


def write_clip(
    path: Path | str,
    frames: NDArray[np.uint8],
    fps: float,
    wave: NDArray[np.float32] | None,
    sample_rate: int = 16_000,
    *,
    quality: int = 20,
) -> None:
    """Write a clip as H.264 (and AAC) in the container its suffix names.

    Args:
        path: the file to write, usually .mp4.
        frames: uint8 RGB (T, H, W, 3). An odd height or width is made even by repeating the last row or column.
        fps: frames per second.
        wave: float32 in [-1, 1], shape (N,) for mono or (N, 2) for stereo; None writes a clip without sound.
        sample_rate: of the wave; one that AAC knows.
        quality: x264's constant rate factor; lower is better.

    Raises:
        ValueError: when frames or wave have another shape or type.
        UsageError: when AAC cannot carry the sample rate.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"frames are uint8 (T, H, W, 3) with T > 0, not {frames.dtype} {frames.shape}")
    with atomic_write(path) as temporary, av.open(str(temporary), "w") as container:
        video = h264_stream(container, frames.shape[1], frames.shape[2], fps, quality)
        audio = None if wave is None else aac_stream(container, sample_rate, wave)
        packets = [_encode_frames(video, frames)]
        if audio is not None and wave is not None:
            packets.append(encode_wave(audio, wave, sample_rate))
        for packet in heapq.merge(*packets, key=packet_seconds):
            container.mux(packet)


def replace_audio(video: Path | str, wave: NDArray[np.float32], sample_rate: int, output: Path | str) -> None:
    """Put a wave under a clip's picture. The picture's packets are copied as they are, so nothing is lost.

    Args:
        video: the clip whose picture is kept.
        wave: float32 (N,) or (N, 2); it begins with the picture.
        sample_rate: of the wave.
        output: the file to write.

    Raises:
        MediaError: when `video` has no picture stream or cannot be read.
        UsageError: when the output's container cannot hold the picture's codec.
    """
    try:
        source = av.open(str(video))
    except (av.FFmpegError, OSError) as error:
        raise MediaError(video, "undecodable", str(error)) from error
    with source, atomic_write(output) as temporary, av.open(str(temporary), "w") as container:
        if not source.streams.video:
            raise MediaError(video, "no_video")
        target = _copied_stream(container, source.streams.video[0], Path(output))
        audio = aac_stream(container, sample_rate, wave)
        picture = _copied_packets(source, source.streams.video[0], target)
        for packet in heapq.merge(picture, encode_wave(audio, wave, sample_rate), key=packet_seconds):
            container.mux(packet)


def h264_stream(container: OutputContainer, height: int, width: int, fps: float, quality: int) -> VideoStream:
    """Add an H.264 stream that encodes in one thread, fast."""
    options = {"preset": "veryfast", "crf": str(quality), "threads": "1"}
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
    stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
    stream.codec_context.thread_count = 1
    return stream


def aac_stream(container: OutputContainer, sample_rate: int, wave: NDArray[np.float32]) -> AudioStream:
    """Add an AAC stream for a wave (N,) or (N, 2).

    Raises:
        UsageError: when AAC has no such sample rate.
    """
    if wave.ndim not in (1, 2) or (wave.ndim == 2 and wave.shape[1] not in (1, 2)):
        raise ValueError(f"a wave is (N,) or (N, 2), not {wave.shape}")
    if sample_rate not in AAC_RATES:
        raise UsageError(f"AAC has no sample rate of {sample_rate} Hz; resample to one of {AAC_RATES}")
    layout = "stereo" if wave.ndim == 2 and wave.shape[1] == 2 else "mono"
    # The "fast" coder takes a third of the default one's time, and its error was smaller on noise, chirps and clicks.
    stream = container.add_stream("aac", rate=sample_rate, layout=layout, options={"aac_coder": "fast"})
    stream.bit_rate = AAC_BITS_PER_SECOND
    return stream


def _encode_frames(stream: VideoStream, frames: NDArray[np.uint8]) -> Iterator[Packet]:
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    for pixels in frames:
        yield from stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"))
    yield from stream.encode(None)


def encode_wave(stream: AudioStream, wave: NDArray[np.float32], sample_rate: int) -> Iterator[Packet]:
    """The packets of a wave (N,) or (N, 2), which begins at time zero."""
    channels = np.atleast_2d(np.clip(wave, -1.0, 1.0).astype(np.float32).T)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=stream.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = sample_rate, 0, Fraction(1, sample_rate)
    yield from stream.encode(frame)
    yield from stream.encode(None)


def _copied_stream(container: OutputContainer, template: VideoStream, output: Path) -> VideoStream:
    try:
        return container.add_stream_from_template(template)
    except (ValueError, av.FFmpegError) as error:
        raise UsageError(
            f"{output}: a {output.suffix} file cannot hold {template.codec_context.name} pictures; try .mkv ({error})"
        ) from error


def _copied_packets(source: InputContainer, stream: VideoStream, target: VideoStream) -> Iterator[Packet]:
    """The picture's packets, moved so that the first picture stands at time zero, where the new sound begins."""
    start = stream.start_time or 0
    for packet in source.demux(stream):
        if packet.dts is None:
            continue
        packet.dts -= start
        packet.pts = None if packet.pts is None else packet.pts - start
        packet.stream = target
        yield packet


def packet_seconds(packet: Packet) -> float:
    """When a packet is due."""
    time = packet.dts if packet.dts is not None else packet.pts
    return float((time or 0) * (packet.time_base or 0))
