"""Sound of clips: the mean of the native channels, cut by timestamps and resampled once."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from av import AudioFrame
from numpy.typing import NDArray

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.opening import MISSING_SHARE, Loss, decode_from, open_media, sound_stream, time_zero
from v2a_lightning.media.placing import SETTLING_PIECES, Piece, placed
from v2a_lightning.specs import AudioSpec

Wave = NDArray[np.float32]

# A waveform that never leaves 60 dB below full scale is silent.
SILENT_PEAK = 1e-3
# Decoders need a little sound before the first sample that counts.
PREROLL_SECONDS = 0.25


def read_audio(path: Path | str, spec: AudioSpec, *, start: float = 0.0, allow_short: bool = False) -> Wave:
    """Read `spec.duration` seconds of mono sound that begin `start` seconds after the clip does.

    Mono is the mean of the native channels: FFmpeg's own downmix is louder by 3 dB from stereo and weighs the channels
    of 5.1. Sound stands where its timestamps say, gaps are silence, and so is a packet that cannot be decoded. A
    twentieth may be damaged, and a twentieth missing at the end; with `allow_short` anything may be missing there.

    Returns:
        float32 (spec.samples,). A lossy file may go slightly beyond [-1, 1]; it is not clipped here.

    Raises:
        MediaError: missing, undecodable, no_audio, short, or not_finite when samples are NaN or infinite.
    """
    waveform, rate = _decode(path, start, spec.duration)
    _refuse_not_finite(path, waveform)
    if not (allow_short and len(waveform)):
        _refuse_short(path, len(waveform) / rate, start, spec.duration)
    waveform = resample(waveform, rate, spec.sample_rate)[: spec.samples]
    return np.pad(waveform, (0, spec.samples - len(waveform)))


def read_waveform(path: Path | str) -> tuple[Wave, int]:
    """A whole file as mono float32 (N,), finite or not, at its own sample rate; MediaError without a sample."""
    waveform, rate = _decode(path, 0.0, float("inf"))
    if not len(waveform):
        raise MediaError(path, "short", "no sample of sound")
    return waveform, rate


def read_stereo(path: Path | str, start: float, duration: float) -> tuple[Wave, int]:
    """Read some seconds as (N, 2) at the file's own sample rate; MediaError as `read_audio`."""
    waveform, rate = _decode(path, start, duration, _stereo)
    _refuse_not_finite(path, waveform)
    _refuse_short(path, len(waveform) / rate, start, duration)
    return waveform, rate


def resample(waveform: Wave, from_rate: int, to_rate: int) -> Wave:
    """Resample (N,) or (N, channels) with soxr's high quality."""
    import soxr

    if from_rate == to_rate:
        return waveform
    return np.asarray(soxr.resample(waveform, from_rate, to_rate, quality="HQ"), np.float32)


def is_silent(waveform: Wave) -> bool:
    """Whether a waveform never leaves its mean by more than 60 dB below full scale. What pads its ends is left out."""
    sounding = np.flatnonzero(waveform)
    if not len(sounding):
        return True
    inside = waveform[sounding[0] : sounding[-1] + 1]
    return bool(np.abs(inside - inside.mean(dtype=np.float64)).max() < SILENT_PEAK)


def _decode(
    path: Path | str, start: float, duration: float, mix: Callable[[AudioFrame], Wave] | None = None
) -> tuple[Wave, int]:
    """Sound of [start, start + duration) at the native rate, shorter where the file ends; mono unless `mix` differs."""
    loss = Loss()
    with open_media(path) as container:
        stream = sound_stream(container)
        if stream is None:
            raise MediaError(path, "no_audio")
        zero = time_zero(container) + start
        decoded = decode_from(container, stream, zero - PREROLL_SECONDS if start > PREROLL_SECONDS else None, loss)
        # What is too large for float32 becomes infinite, and is refused as such.
        with np.errstate(over="ignore", invalid="ignore"):
            pieces, rate = _pieces(path, decoded, zero, zero + duration, mix or _mono)
    whole = duration == float("inf")
    waveform = placed(pieces, rate, None if whole else round(duration * rate))
    end = zero + (len(waveform) / rate if whole else duration)
    loss.refuse(path, zero, end, bool(len(waveform)), " of sound")
    return waveform, rate


def _pieces(
    path: Path | str, frames: Iterable[AudioFrame], zero: float, end: float, mix: Callable[[AudioFrame], Wave]
) -> tuple[list[Piece], int]:
    """What is decoded up to `end`, each piece with its time after `zero` in samples, and the sample rate."""
    pieces: list[Piece] = []
    rate, due = 0, zero
    for frame in frames:
        rate = rate or frame.sample_rate
        if frame.sample_rate != rate:
            raise MediaError(path, "undecodable", f"the sample rate changes from {rate} to {frame.sample_rate} Hz")
        begin = due if frame.time is None else frame.time
        due = begin + frame.samples / rate
        # A clock that is a little off does not end the sound before its time.
        if begin >= end + SETTLING_PIECES * frame.samples / rate:
            break
        pieces.append((None if frame.time is None else (frame.time - zero) * rate, mix(frame)))
    return pieces, rate or 1


def _channels(frame: AudioFrame) -> Sequence[NDArray[Any]]:
    """A decoded piece in any of FFmpeg's sample formats as channels of (N,) in [-1, 1]."""
    if frame.format.name == "fltp":
        # As most decoders have it. A clip comes in hundreds of pieces, so that every call of NumPy for each is felt.
        return [np.frombuffer(cast(Any, plane), np.float32, frame.samples) for plane in frame.planes]
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype.kind == "f":
        return list(samples)
    full_scale = {"u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31, "i8": 2.0**63}[samples.dtype.str[1:]]
    return list((samples.astype(np.float64) - (128.0 if samples.dtype == np.uint8 else 0.0)) / full_scale)


def _mono(frame: AudioFrame) -> Wave:
    first, *others = _channels(frame)
    if not others:
        # A copy, since the samples are the frame's.
        return np.array(first, np.float32)
    total = first.astype(np.float64)
    for channel in others:
        total += channel
    return np.asarray(total / (1 + len(others)), np.float32)


def _stereo(frame: AudioFrame) -> Wave:
    """(N, 2) of two channels, and of any other number their mean, twice."""
    channels = np.stack(_channels(frame))
    if len(channels) != 2:
        channels = np.broadcast_to(channels.mean(0, dtype=np.float64), (2, channels.shape[1]))
    return np.asarray(channels.T, np.float32)


def _refuse_not_finite(path: Path | str, waveform: Wave) -> None:
    bad = int((~np.isfinite(waveform)).sum())
    if bad:
        raise MediaError(path, "not_finite", f"{bad} of {waveform.size} samples are NaN or infinite")


def _refuse_short(path: Path | str, present: float, start: float, wanted: float) -> None:
    if present < wanted * (1 - MISSING_SHARE):
        raise MediaError(path, "short", f"{present:.2f} s of sound from {start:g} s, {wanted:g} s wanted")
