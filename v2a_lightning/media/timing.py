"""Which decoded frame is on the screen when, and which way up."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from av import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.opening import Loss
from v2a_lightning.media.pictures import turned

Frames = NDArray[np.uint8]
Timed = TypeVar("Timed")

# Timestamps are rounded to the container's clock: a frame may begin this much after the time it is asked for.
CLOCK_TOLERANCE = 1e-3
# Share of the seconds looked at whose packets may be damaged.
DAMAGED_SHARE = 0.05


def refuse_damaged(path: Path | str, loss: Loss, begin: float, end: float, anything: bool) -> None:
    """Raise an undecodable MediaError when nothing, or too little of [begin, end), could be decoded."""
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
