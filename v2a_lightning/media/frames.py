"""Frames of clips and pictures, chosen by the time at which they are on the screen."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
from av import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.opening import Loss, decode_from, open_media, picture_stream, time_zero
from v2a_lightning.media.pictures import animation_frames, is_animation, is_picture, read_picture, turned
from v2a_lightning.specs import FrameSpec

Backend = Literal["pyav", "decord"]
Frames = NDArray[np.uint8]
Timed = TypeVar("Timed")

# Timestamps are rounded to the container's clock: a frame may begin this much after the time it is asked for.
CLOCK_TOLERANCE = 1e-3
# Below this it is quicker to decode from the beginning than to look for a keyframe.
SEEK_SECONDS = 1.0
# Mean absolute difference, of 255 grey levels, up to which two pictures are one picture and its compression noise.
STILL_LEVELS = 1.0
# Share of the seconds looked at whose packets may be damaged.
DAMAGED_SHARE = 0.05
# Pictures that are longer than this many times their short side are cut before they are scaled.
LONGEST_SHAPE = 8


def read_frames(path: Path | str, spec: FrameSpec, *, start: float = 0.0, backend: Backend = "pyav") -> Frames:
    """Read the frames that are on the screen at `start + t` for each t of `spec.times`.

    What a file is, its content says. Frames are found by their timestamps, so variable frame rates and clocks that do
    not start at zero are right; display matrices, which rotate and mirror, are applied. A clip that ends early gives
    the frames it has. A still picture gives one; an animation (GIF, WebP, PNG, AVIF) is a video that is shown once.

    Args:
        path: a clip or a picture.
        spec: which times are looked at.
        start: seconds from the clip's beginning to where the spec's clock starts.
        backend: the decoder; `decord`, which needs the package of that name, gives the same frames. It is used for
            files of which that is known, and PyAV for the others.

    Returns:
        uint8 RGB of shape (T, H, W, 3), 1 <= T <= spec.count.

    Raises:
        MediaError: missing, undecodable, no_video, or short when the clip ends before the first of the times.
    """
    if is_picture(path):
        return read_picture(path)
    times = [start + time for time in spec.times]
    if is_animation(path):
        frames = list(frames_at(animation_frames(path), times))
    else:
        frames = _read_with_decord(path, times) if backend == "decord" else _read_with_pyav(path, times)
    if not frames:
        raise MediaError(path, "short", f"the picture ends before {times[0]:.2f} s")
    return np.stack([scaled_to(frame, frames[0]) for frame in frames])


def is_still(frames: Frames) -> bool:
    """Whether several frames (T, H, W, 3) show one and the same picture."""
    if len(frames) < 2:
        return False
    first = frames[0].astype(np.int16)
    return all(np.abs(frame - first).mean() <= STILL_LEVELS for frame in frames[1:])


def fit_picture(pixels: Frames, size: int) -> Frames:
    """Scale the short side of a picture (H, W, 3) to `size`, bicubic, and take the middle (size, size, 3).

    Pixel for pixel what torchvision's Resize and CenterCrop make of a PIL image, without torch. Of very long pictures
    only the middle is scaled.
    """
    from PIL import Image

    pixels = _middle(pixels)
    height, width = pixels.shape[:2]
    short = min(height, width)
    scaled = (int(size * width / short), int(size * height / short))
    image = Image.fromarray(pixels)
    if scaled != (width, height):
        image = image.resize(scaled, Image.Resampling.BICUBIC)
    left, top = round((scaled[0] - size) / 2), round((scaled[1] - size) / 2)
    return np.array(image.crop((left, top, left + size, top + size)))


def _middle(pixels: Frames) -> Frames:
    height, width = pixels.shape[:2]
    longest = LONGEST_SHAPE * min(height, width)
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    return pixels[top : height - top, left : width - left]


def scaled_to(pixels: Frames, model: Frames) -> Frames:
    """A picture in the size of another: players go on in the size of a stream's first picture when it changes."""
    from PIL import Image

    if pixels.shape == model.shape:
        return pixels
    return np.array(Image.fromarray(pixels).resize((model.shape[1], model.shape[0]), Image.Resampling.BICUBIC))


def _read_with_decord(path: Path | str, times: Sequence[float]) -> list[Frames]:
    from v2a_lightning.media.decord_frames import read_with_decord

    frames = read_with_decord(path, times)
    return _read_with_pyav(path, times) if frames is None else frames


def _read_with_pyav(path: Path | str, times: Sequence[float]) -> list[Frames]:
    loss = Loss()
    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(path, "no_video")
        zero = time_zero(container)
        decoded = decode_from(container, stream, zero + times[0] if times[0] > SEEK_SECONDS else None, loss)
        frames = [upright(frame) for frame in frames_at(timed_frames(decoded, stream, zero), times)]
    refuse_damaged(path, loss, zero + times[0], zero + times[-1], bool(frames))
    return frames


def refuse_damaged(path: Path | str, loss: Loss, begin: float, end: float, anything: bool) -> None:
    """Refuse a stream of which nothing, or too little of [begin, end), could be decoded.

    Raises:
        MediaError: undecodable.
    """
    lost = loss.seconds(begin, end)
    if loss.said and (not anything or lost > DAMAGED_SHARE * (end - begin)):
        damaged = f"{lost:.2f} s of {end - begin:.2f} s are damaged: " if anything else ""
        raise MediaError(path, "undecodable", f"{damaged}{loss.said}")


def timed_frames(
    decoded: Iterable[VideoFrame], stream: VideoStream, zero: float
) -> Iterator[tuple[float, float, VideoFrame]]:
    """Begin and end of each frame in seconds from the clip's beginning, and the frame."""
    usual = usual_seconds(stream)
    end = 0.0
    for frame in decoded:
        begin = end if frame.time is None else frame.time - zero
        end = begin + (float(frame.duration * (frame.time_base or 0)) or usual)
        yield begin, end, frame


def usual_seconds(stream: VideoStream) -> float:
    """How long a frame is on the screen on average."""
    return 1 / float(stream.average_rate or stream.guessed_rate or 25)


def frames_at(timed: Iterable[tuple[float, float, Timed]], times: Sequence[float]) -> Iterator[Timed]:
    """The frame on the screen at each of the ascending times: the last that began by then, or the very first."""
    current: tuple[float, Timed] | None = None
    position = 0
    for begin, end, frame in timed:
        while current is not None and position < len(times) and times[position] < begin - CLOCK_TOLERANCE:
            yield current[1]
            position += 1
        if position == len(times):
            return
        current = (end, frame)
    while current is not None and position < len(times) and times[position] < current[0]:
        yield current[1]
        position += 1


def upright(frame: VideoFrame) -> Frames:
    """RGB pixels turned and mirrored as the file's display matrix says."""
    return turned(cast(Frames, frame.to_ndarray(format="rgb24")), *display_orientation(frame))


def display_orientation(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """A frame's display matrix as (swap the axes, then mirror left-right, then flip top-bottom).

    FFmpeg's matrix takes (x, y) to (a x + c y, b x + d y) and holds a, b, _, c, d; other angles than right ones are
    brought to the nearest.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(cast(Any, matrix)), np.int32)[:5].tolist()
    swap = abs(b) + abs(c) > abs(a) + abs(d)
    return (True, c < 0, b < 0) if swap else (False, a < 0, d < 0)
