"""A clip as training needs it: its frames and its sound, or the one reason why not."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from v2a_lightning.media.audio import Wave, is_silent, read_audio
from v2a_lightning.media.errors import MediaError, Reason
from v2a_lightning.media.frames import Backend, fit_picture, is_still, read_frames
from v2a_lightning.media.opening import MISSING_SHARE
from v2a_lightning.media.pictures import Frames, is_picture
from v2a_lightning.media.probe import probe
from v2a_lightning.specs import AudioSpec, FrameSpec


@dataclass(frozen=True)
class ClipRequest:
    """What is wanted of a file. A spec that is None is not decoded.

    Args:
        path: the file.
        frames: which frames.
        audio: which sound.
        start: seconds from the clip's beginning.
        keep_still: take clips whose picture never changes.
        backend: the picture decoder.
        picture_size: bring frames to this size with `fit_picture`; None leaves them as they are.
    """

    path: Path
    frames: FrameSpec | None = None
    audio: AudioSpec | None = None
    start: float = 0.0
    keep_still: bool = True
    backend: Backend = "pyav"
    picture_size: int | None = None


@dataclass(frozen=True)
class DecodedClip:
    """Frames uint8 RGB (T, H, W, 3) and a mono waveform float32 (N,); None where it was not requested."""

    frames: Frames | None
    waveform: Wave | None


def decode_clip(request: ClipRequest) -> DecodedClip:
    """Decode what is requested, and refuse what cannot teach anything.

    Raises:
        MediaError: with any reason but timeout and duplicate.
    """
    waveform = None if request.audio is None else _audible(request)
    return DecodedClip(None if request.frames is None else _visible(request), waveform)


def _audible(request: ClipRequest) -> Wave:
    assert request.audio is not None
    waveform = read_audio(request.path, request.audio, start=request.start)
    if is_silent(waveform):
        raise MediaError(request.path, "silent", "the mean of its channels stays within -60 dBFS")
    return waveform


def _visible(request: ClipRequest) -> Frames:
    assert request.frames is not None
    frames = read_frames(request.path, request.frames, start=request.start, backend=request.backend)
    if not is_picture(request.path):
        if len(frames) < int(request.frames.count * (1 - MISSING_SHARE)):
            raise MediaError(request.path, "short", f"{len(frames)} of {request.frames.count} frames")
        if not request.keep_still and is_still(frames):
            raise MediaError(request.path, "still", "the picture never changes")
    if request.picture_size is None:
        return frames
    return np.stack([fit_picture(frame, request.picture_size) for frame in frames])


@dataclass(frozen=True)
class Inspection:
    """What is known of a file after decoding all of it.

    Args:
        duration: seconds; 0 when the file cannot be opened.
        reason: why it cannot be used, or `still`; None when nothing is wrong with it.
        detail: what was found.
    """

    duration: float
    reason: Reason | None = None
    detail: str = ""


def inspect_clip(request: ClipRequest) -> Inspection:
    """Decode what is requested only to see whether it can be used; never raises MediaError."""
    try:
        duration = probe(request.path).duration
    except MediaError as error:
        return Inspection(0.0, error.reason, error.detail)
    try:
        decode_clip(replace(request, keep_still=False))
    except MediaError as error:
        return Inspection(duration, error.reason, error.detail)
    return Inspection(duration)
