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
from v2a_lightning.media.remote import MediaPath, local_file
from v2a_lightning.specs import AudioSpec, FrameSpec


@dataclass(frozen=True)
class ClipRequest:
    """What is wanted of a file from `start` seconds on. A spec that is None is not decoded.

    `keep_still` takes clips whose picture never changes; frames become `picture_size` wide and high by `fit_picture`.
    """

    path: MediaPath
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
    """Decode what is requested; MediaError for what cannot teach anything."""
    with local_file(request.path) as path:
        return _decoded(path, request)


def _decoded(path: Path, request: ClipRequest) -> DecodedClip:
    waveform = None if request.audio is None else _audible(path, request.audio, request)
    return DecodedClip(None if request.frames is None else _visible(path, request.frames, request), waveform)


def _audible(path: Path, spec: AudioSpec, request: ClipRequest) -> Wave:
    waveform = read_audio(path, spec, start=request.start)
    if is_silent(waveform):
        raise MediaError(path, "silent", "the mean of its channels stays within -60 dBFS")
    return waveform


def _visible(path: Path, spec: FrameSpec, request: ClipRequest) -> Frames:
    frames = read_frames(path, spec, start=request.start, backend=request.backend)
    if not is_picture(path):
        if len(frames) < int(spec.count * (1 - MISSING_SHARE)):
            raise MediaError(path, "short", f"{len(frames)} of {spec.count} frames")
        if not request.keep_still and is_still(frames):
            raise MediaError(path, "still", "the picture never changes")
    if request.picture_size is None:
        return frames
    return np.stack([fit_picture(frame, request.picture_size) for frame in frames])


@dataclass(frozen=True)
class Inspection:
    """What is known of a file: its seconds, 0 when it cannot be opened, and why it cannot be used, or `still`."""

    duration: float
    reason: Reason | None = None
    detail: str = ""


def inspect_clip(request: ClipRequest) -> Inspection:
    """Decode what is requested only to see whether it can be used; never raises MediaError."""
    try:
        with local_file(request.path) as path:
            return _inspected(path, request)
    except MediaError as error:
        return Inspection(0.0, error.reason, error.detail)


def _inspected(path: Path, request: ClipRequest) -> Inspection:
    duration = probe(path).duration
    try:
        _decoded(path, replace(request, keep_still=False))
    except MediaError as error:
        return Inspection(duration, error.reason, error.detail)
    return Inspection(duration)
