"""Opening media files, and turning FFmpeg's many errors into one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

import av
from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from v2a_lightning.media.errors import MediaError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".flv"})


def is_picture(path: Path | str) -> bool:
    """Whether the file's name says that it holds one still picture."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES


@contextmanager
def open_media(path: Path | str) -> Iterator[InputContainer]:
    """Open a media file for the length of a block.

    Raises:
        MediaError: `missing`, or `undecodable` for whatever FFmpeg says while opening or inside the block.
    """
    if not Path(path).is_file():
        raise MediaError(path, "missing")
    try:
        with av.open(str(path)) as container:
            yield container
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise MediaError(path, "undecodable", str(error).replace("\n", " ")) from error


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first moving picture; the cover of a sound file is not one."""
    moving = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    return next(moving, None)


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The first sound track whose decoder FFmpeg has."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def time_zero(container: InputContainer) -> float:
    """Where the file's clock starts, in seconds. Picture and sound share it, so that they stay together."""
    return (container.start_time or 0) / av.time_base


@overload
def decode_from(container: InputContainer, stream: VideoStream, seconds: float | None) -> Iterator[VideoFrame]: ...
@overload
def decode_from(container: InputContainer, stream: AudioStream, seconds: float | None) -> Iterator[AudioFrame]: ...
def decode_from(container: InputContainer, stream: Any, seconds: float | None) -> Iterator[Any]:
    """Decode a stream from shortly before `seconds` on the file's own clock; from the beginning when that is None.

    Some containers have no index and land behind the time sought: those are decoded from the beginning too.
    """
    decoded = container.decode(stream)
    if seconds is not None:
        container.seek(int(seconds * av.time_base), backward=True)
        found: Any = next(decoded, None)
        if found is not None and found.time is not None and found.time <= seconds:
            yield found
        else:
            with av.open(container.name) as reopened:
                yield from reopened.decode(reopened.streams[stream.index])
            return
    yield from decoded
