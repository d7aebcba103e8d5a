"""Frames of clips and pictures, chosen by the time at which they are on the screen."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from av import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.opening import decode_from, is_picture, open_media, picture_stream, time_zero
from v2a_lightning.specs import FrameSpec

Backend = Literal["pyav", "decord"]
Frames = NDArray[np.uint8]

# Timestamps are rounded to the container's clock: a frame may begin this much after the time it is asked for.
CLOCK_TOLERANCE = 1e-3
# Below this it is quicker to decode from the beginning than to look for a keyframe.
SEEK_SECONDS = 1.0
# Mean absolute difference, of 255 grey levels, up to which two pictures are one picture and its compression noise.
STILL_LEVELS = 1.0


def read_frames(path: Path | str, spec: FrameSpec, *, start: float = 0.0, backend: Backend = "pyav") -> Frames:
    """Read the frames that are on the screen at `start + t` for each t of `spec.times`.

    Frames are found by their timestamps, so variable frame rates and clocks that do not start at zero are right;
    rotation flags are applied. A clip that ends early gives the frames it has; a picture gives one.

    Args:
        path: a clip or a picture.
        spec: which times are looked at.
        start: seconds from the clip's beginning to where the spec's clock starts.
        backend: the decoder; `decord` gives the same frames, and needs the package of that name.

    Returns:
        uint8 RGB of shape (T, H, W, 3), 1 <= T <= spec.count.

    Raises:
        MediaError: missing, undecodable, no_video, or short when the clip ends before the first of the times.
    """
    if is_picture(path):
        return _read_picture(path)
    times = [start + time for time in spec.times]
    frames = _read_with_decord(path, times) if backend == "decord" else _read_with_pyav(path, times)
    if not frames:
        raise MediaError(path, "short", f"the picture ends before {times[0]:.2f} s")
    return np.stack(frames)


def is_still(frames: Frames) -> bool:
    """Whether several frames (T, H, W, 3) show one and the same picture."""
    if len(frames) < 2:
        return False
    first = frames[0].astype(np.int16)
    return all(np.abs(frame - first).mean() <= STILL_LEVELS for frame in frames[1:])


def fit_picture(pixels: Frames, size: int) -> Frames:
    """Scale the short side of a picture (H, W, 3) to `size`, bicubic, and take the middle (size, size, 3).

    Pixel for pixel what torchvision's Resize and CenterCrop make of a PIL image, without torch.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    short = min(height, width)
    scaled = (int(size * width / short), int(size * height / short))
    image = Image.fromarray(pixels)
    if scaled != (width, height):
        image = image.resize(scaled, Image.Resampling.BICUBIC)
    left, top = round((scaled[0] - size) / 2), round((scaled[1] - size) / 2)
    return np.asarray(image.crop((left, top, left + size, top + size)))


def _read_picture(path: Path | str) -> Frames:
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not Path(path).is_file():
        raise MediaError(path, "missing")
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))[None]
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise MediaError(path, "undecodable", str(error)) from error


def _read_with_pyav(path: Path | str, times: Sequence[float]) -> list[Frames]:
    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(path, "no_video")
        stream.codec_context.thread_count = 1
        zero = time_zero(container)
        decoded = decode_from(container, stream, zero + times[0] if times[0] > SEEK_SECONDS else None)
        return [upright(frame) for frame in _frames_at(timed_frames(decoded, stream, zero), times)]


def timed_frames(
    decoded: Iterable[VideoFrame], stream: VideoStream, zero: float
) -> Iterator[tuple[float, float, VideoFrame]]:
    """Begin and end of each frame in seconds from the clip's beginning, and the frame."""
    usual = 1 / float(stream.average_rate or stream.guessed_rate or 25)
    end = 0.0
    for frame in decoded:
        begin = end if frame.time is None else frame.time - zero
        end = begin + (float(frame.duration * (frame.time_base or 0)) or usual)
        yield begin, end, frame


def _frames_at(timed: Iterator[tuple[float, float, VideoFrame]], times: Sequence[float]) -> Iterator[VideoFrame]:
    """The frame on the screen at each of the ascending times: the last that began by then, or the very first."""
    current: tuple[float, VideoFrame] | None = None
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
    """RGB pixels turned as the file's display matrix says."""
    return np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)


def _read_with_decord(path: Path | str, times: Sequence[float]) -> list[Frames]:
    import decord

    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(path, "no_video")
        zero = time_zero(container)
        first = next(container.decode(stream), None)
    if first is not None and first.rotation:
        # decord 0.6 fails on clips that are stored sideways.
        return _read_with_pyav(path, times)
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        clock = np.asarray(reader.get_frame_timestamp(range(len(reader)))).reshape(-1, 2) - zero
        within = [time for time in times if time < clock[:, 1].max(initial=0.0)]
        wanted = np.searchsorted(clock[:, 0], np.add(within, CLOCK_TOLERANCE), side="right") - 1
        return list(reader.get_batch(wanted.clip(min=0).tolist()).asnumpy()) if within else []
    except decord.DECORDError as error:
        raise MediaError(path, "undecodable", str(error).splitlines()[0]) from error
