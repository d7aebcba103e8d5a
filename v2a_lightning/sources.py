"""What a pipeline makes sound for: files, and pictures and frames in memory."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from v2a_lightning.errors import UsageError
from v2a_lightning.media import MediaError, is_picture, picture_in_memory, read_frames
from v2a_lightning.specs import FrameSpec

Frames = NDArray[np.uint8]
Source = str | Path | Frames | Image | Tensor
"""A file, a PIL image, or uint8 RGB as an array or tensor: a picture (H, W, 3) or frames (T, H, W, 3)."""

# So little beyond a window is no window of its own: containers round ten seconds up. Its sound is silence.
REST_SECONDS = 0.1
SHAPES = "uint8 RGB (H, W, 3) or (T, H, W, 3)"


def find_sources(given: Any) -> list[Path | Frames]:
    """One source, or a list of them, as files and frames uint8 (T, H, W, 3).

    Raises:
        TypeError: when one is nothing of the kind, or an array of another type or shape.
        MediaError: when a file is missing.
        UsageError: when the list is empty.
    """
    if not isinstance(given, list | tuple):
        return [_source(given)]
    if not given:
        raise UsageError("there is no source in the list")
    return [_source(one, f"source {index}: ") for index, one in enumerate(given)]


def window_count(seconds: float, frames: FrameSpec) -> int:
    """How many windows a sound of that length has."""
    return max(1, math.ceil((seconds - REST_SECONDS) / frames.duration))


def read_windows(source: Path | Frames, seconds: float, frames: FrameSpec) -> Iterator[Frames]:
    """The frames of each window of a sound of that length: a picture's are the same in each."""
    count = window_count(seconds, frames)
    if isinstance(source, np.ndarray) or is_picture(source):
        yield from [source if isinstance(source, np.ndarray) else read_frames(source, frames)] * count
        return
    for start in [index * frames.duration for index in range(count)]:
        left = seconds - start
        # So little is left that it ends before the first of the usual times: one frame from its middle.
        yield read_frames(source, frames if left > frames.times[0] else FrameSpec(1 / left, left), start=start)


def _source(given: Any, place: str = "") -> Path | Frames:
    if isinstance(given, str | Path):
        if not Path(given).is_file():
            raise MediaError(given, "missing", "there is no such file")
        return Path(given)
    if isinstance(given, Image):
        return picture_in_memory(given)
    if isinstance(given, Tensor):
        _check(given, place, given.dtype == torch.uint8)
        frames: Frames = given.cpu().numpy()
    elif isinstance(given, np.ndarray):
        _check(given, place, given.dtype == np.uint8)
        frames = given
    else:
        kind = f"{type(given).__module__}.{type(given).__name__}"
        raise TypeError(f"{place}a source is a path, a PIL image, or frames as an array or tensor, not {kind}")
    return frames[None] if frames.ndim == 3 else frames


def _check(frames: Any, place: str, is_uint8: bool) -> None:
    """Refuse an array or tensor that is no picture and no frames."""
    shape = tuple(frames.shape)
    if not is_uint8:
        raise TypeError(f"{place}frames are {SHAPES}, not {frames.dtype} {shape}; scale floats to 0..255")
    if len(shape) not in (3, 4) or shape[-1] != 3 or 0 in shape:
        last = "; channels come last" if len(shape) in (3, 4) and shape[-3] == 3 else ""
        raise TypeError(f"{place}frames are {SHAPES} of at least one pixel, not uint8 {shape}{last}")
