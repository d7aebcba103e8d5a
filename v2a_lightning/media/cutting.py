"""Cutting some seconds out of a video, to the frame and to the sample."""

from collections.abc import Iterator
from pathlib import Path

from av import VideoFrame
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from v2a_lightning.media.audio import read_stereo, resample
from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.frames import scaled_to
from v2a_lightning.media.opening import (
    CLOCK_TOLERANCE,
    Loss,
    decode_from,
    open_media,
    picture_stream,
    time_zero,
    timed_frames,
    upright,
)
from v2a_lightning.media.pictures import Frames
from v2a_lightning.media.writing import AAC_RATES, encode_clip

USUAL_RATE = 48_000


def cut_clip(source: Path | str, output: Path | str, start: float, duration: float) -> None:
    """Write `duration` seconds of a video, from `start` on, as a clip of H.264 and AAC with a clock of its own.

    The picture is encoded anew, since a copy could begin at a keyframe only. Display matrices are applied, frames keep
    their times, sound of more than two channels becomes its mean.

    Raises:
        MediaError: missing, undecodable, no_video, no_audio, or short when the video ends too early.
    """
    waveform, rate = read_stereo(source, start, duration)
    if rate not in AAC_RATES:
        waveform, rate = resample(waveform, rate, USUAL_RATE), USUAL_RATE
    with open_media(source) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(source, "no_video")
        pictures = _pictures(source, container, stream, start, duration)
        encode_clip(output, pictures, float(stream.average_rate or 25), waveform, rate, quality=23)


def _pictures(
    path: Path | str, container: InputContainer, stream: VideoStream, start: float, duration: float
) -> Iterator[tuple[float | None, Frames]]:
    """Frames (H, W, 3) on the screen in [start, start + duration) with their times in the clip; the first at zero."""
    zero, loss = time_zero(container), Loss()
    before: VideoFrame | None = None
    reformatter = VideoReformatter()
    model: Frames | None = None
    for begin, end, frame in timed_frames(decode_from(container, stream, zero + start, loss), stream, zero):
        if begin >= start + duration:
            break
        if begin < start - CLOCK_TOLERANCE:
            before = frame if end > start + CLOCK_TOLERANCE else None
            continue
        if before is not None and begin > start + CLOCK_TOLERANCE:
            model = upright(before, reformatter)
            yield 0.0, model
        before = None
        pixels = upright(frame, reformatter)
        model = pixels if model is None else model
        yield max(0.0, begin - start), scaled_to(pixels, model)
    loss.refuse(path, zero + start, zero + start + duration, model is not None)
    if model is None:
        raise MediaError(path, "short", f"no picture from {start:g} s on")
