"""Frames of clips and pictures, chosen by the time at which they are on the screen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from av.video.reformatter import VideoReformatter

from v2a_lightning.media.decord_frames import read_with_decord
from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.opening import (
    Loss,
    decode_from,
    frames_at,
    open_media,
    picture_stream,
    time_zero,
    timed_frames,
    upright,
)
from v2a_lightning.media.pictures import Frames, animation_frames, is_animation, is_picture, read_picture
from v2a_lightning.specs import FrameSpec

Backend = Literal["pyav", "decord"]

# Below this it is quicker to decode from the beginning than to look for a keyframe.
SEEK_SECONDS = 1.0
# Mean absolute difference, of 255 grey levels, up to which two pictures are one picture and its compression noise.
STILL_LEVELS = 1.0
# Pictures that are longer than this many times their short side are cut before they are scaled.
LONGEST_SHAPE = 8


def read_frames(path: Path | str, spec: FrameSpec, *, start: float = 0.0, backend: Backend = "pyav") -> Frames:
    """Read the frames that are on the screen at `start + t` for each t of `spec.times`, in seconds.

    What a file is, its content says. Frames are found by their timestamps, and display matrices, which rotate and
    mirror, are applied. A clip that ends early gives the frames it has. A still picture gives one; an animation (GIF,
    WebP, PNG, AVIF) is a video that is shown once. `backend="decord"` gives the same frames: it is used for files of
    which that is known, and PyAV for the others.

    Returns:
        uint8 RGB (T, H, W, 3), 1 <= T <= spec.count.

    Raises:
        MediaError: missing, undecodable, no_video, or short when the clip ends before the first of the times.
    """
    if is_picture(path):
        return read_picture(path)
    times = [start + time for time in spec.times]
    if is_animation(path):
        frames = list(frames_at(animation_frames(path), times))
    else:
        known = read_with_decord(path, times) if backend == "decord" else None
        frames = _read_with_pyav(path, times) if known is None else known
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

    It is pixel for pixel torchvision's Resize and CenterCrop; of very long pictures only the middle is scaled.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    longest = LONGEST_SHAPE * min(height, width)
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    pixels = pixels[top : height - top, left : width - left]
    height, width = pixels.shape[:2]
    short = min(height, width)
    scaled = (int(size * width / short), int(size * height / short))
    image = Image.fromarray(pixels)
    if scaled != (width, height):
        image = image.resize(scaled, Image.Resampling.BICUBIC)
    left, top = round((scaled[0] - size) / 2), round((scaled[1] - size) / 2)
    return np.array(image.crop((left, top, left + size, top + size)))


def scaled_to(pixels: Frames, model: Frames) -> Frames:
    """A picture in the size of another: players go on in the size of a stream's first picture when it changes."""
    from PIL import Image

    if pixels.shape == model.shape:
        return pixels
    return np.array(Image.fromarray(pixels).resize((model.shape[1], model.shape[0]), Image.Resampling.BICUBIC))


def _read_with_pyav(path: Path | str, times: Sequence[float]) -> list[Frames]:
    loss = Loss()
    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(path, "no_video")
        zero = time_zero(container)
        decoded = decode_from(container, stream, zero + times[0] if times[0] > SEEK_SECONDS else None, loss)
        timed, reformatter = timed_frames(decoded, stream, zero), VideoReformatter()
        frames = [upright(frame, reformatter) for frame in frames_at(timed, times)]
    loss.refuse(path, zero + times[0], zero + times[-1], bool(frames))
    return frames
