"""Sound of clips: the mean of the native channels, cut by timestamps and resampled once."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from av import AudioFrame
from av.container import InputContainer
from numpy.typing import NDArray

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.opening import decode_from, open_media, sound_stream, time_zero
from v2a_lightning.specs import AudioSpec

Wave = NDArray[np.float32]

# Share of the wanted seconds that may be missing before a clip is short: encoders cut ten seconds to 9.98 or 10.02.
MISSING_SHARE = 0.05
# A wave that never leaves 60 dB below full scale is silent.
SILENT_PEAK = 1e-3
# A packet that stands further than this from where the one before it ended, in seconds, leaves a gap of silence.
GAP_SECONDS = 0.05
# Decoders need a little sound before the first sample that counts.
PREROLL_SECONDS = 0.25


def read_audio(path: Path | str, spec: AudioSpec, *, start: float = 0.0, allow_short: bool = False) -> Wave:
    """Read `spec.duration` seconds of mono sound that begin `start` seconds after the clip does.

    Mono is the mean of the native channels. FFmpeg's own downmix is louder by 3 dB from stereo and weighs the
    channels of 5.1, so it is not used. Sound that begins after the picture does keeps its place behind silence.

    Args:
        path: any file with sound.
        spec: sample rate and length.
        start: seconds from the clip's beginning.
        allow_short: fill whatever is missing at the end with silence. Otherwise at most a twentieth is filled.

    Returns:
        float32 of shape (spec.samples,). A lossy file may go slightly beyond [-1, 1]; it is not clipped here.

    Raises:
        MediaError: missing, undecodable, no_audio, short.
    """
    with open_media(path) as container:
        wave, rate = _decode(path, container, start, spec.duration)
    if not (allow_short and len(wave)):
        _refuse_short(path, len(wave) / rate, start, spec.duration)
    return _fit(resample(wave, rate, spec.sample_rate), spec.samples)


def read_wave(path: Path | str) -> tuple[Wave, int]:
    """Read a whole file as mono float32 (N,) at its own sample rate.

    Raises:
        MediaError: missing, undecodable, no_audio, short when there is not one sample.
    """
    with open_media(path) as container:
        wave, rate = _decode(path, container, 0.0, float("inf"))
    if not len(wave):
        raise MediaError(path, "short", "no sample of sound")
    return wave, rate


def read_stereo(path: Path | str, start: float, duration: float) -> tuple[Wave, int]:
    """Read some seconds as (N, 2) at the file's own sample rate, to be written into another clip.

    Raises:
        MediaError: missing, undecodable, no_audio, short.
    """
    with open_media(path) as container:
        wave, rate = _decode(path, container, start, duration, _stereo)
    _refuse_short(path, len(wave) / rate, start, duration)
    return wave, rate


def resample(wave: Wave, from_rate: int, to_rate: int) -> Wave:
    """Resample (N,) or (N, channels) with soxr's high quality."""
    import soxr

    if from_rate == to_rate:
        return wave
    return soxr.resample(wave, from_rate, to_rate, quality="HQ").astype(np.float32)


def is_silent(wave: Wave) -> bool:
    """Whether a wave never leaves 60 dB below full scale."""
    return bool(np.abs(wave).max(initial=0.0) < SILENT_PEAK)


def _decode(
    path: Path | str,
    container: InputContainer,
    start: float,
    duration: float,
    mix: Callable[[AudioFrame], Wave] | None = None,
) -> tuple[Wave, int]:
    """Sound of [start, start + duration) at the native rate, shorter where the file ends; mono unless `mix` differs."""
    stream = sound_stream(container)
    if stream is None:
        raise MediaError(path, "no_audio")
    zero = time_zero(container) + start
    frames = decode_from(container, stream, zero - PREROLL_SECONDS if start > PREROLL_SECONDS else None)
    first = next(frames, None)
    if first is None:
        return np.zeros(0, np.float32), stream.rate
    rate = first.sample_rate
    pieces = list(_pieces(path, chain([first], frames), zero, rate, duration * rate, mix or _mono))
    wave = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return wave if duration == float("inf") else wave[: round(duration * rate)], rate


def _pieces(
    path: Path | str,
    frames: Iterable[AudioFrame],
    zero: float,
    rate: int,
    wanted: float,
    mix: Callable[[AudioFrame], Wave],
) -> Iterator[Wave]:
    """Pieces that, one after the other, are the sound from `zero` on; gaps in the timestamps become silence."""
    length = 0
    for frame in frames:
        if frame.sample_rate != rate:
            raise MediaError(path, "undecodable", f"the sample rate changes from {rate} to {frame.sample_rate} Hz")
        position = length if frame.time is None else round((frame.time - zero) * rate)
        if position >= wanted or length >= wanted:
            return
        if position + frame.samples <= 0:
            continue
        piece = mix(frame)[max(0, -position) if not length else 0 :]
        gap = position - length
        if gap > (GAP_SECONDS * rate if length else 0):
            piece = np.concatenate([np.zeros((gap, *piece.shape[1:]), np.float32), piece])
        yield piece
        length += len(piece)


def _channels(frame: AudioFrame) -> NDArray[np.float64]:
    """A decoded piece in any of FFmpeg's sample formats as (channels, N) in [-1, 1]."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    full_scale = {"u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31, "i8": 2.0**63}.get(samples.dtype.str[1:], 1.0)
    middle = 128.0 if samples.dtype == np.uint8 else 0.0
    return (samples.astype(np.float64) - middle) / full_scale


def _mono(frame: AudioFrame) -> Wave:
    """(N,): the mean of the channels."""
    return _channels(frame).mean(0).astype(np.float32)


def _stereo(frame: AudioFrame) -> Wave:
    """(N, 2) of two channels, and of any other number their mean, twice."""
    channels = _channels(frame)
    if len(channels) != 2:
        channels = np.broadcast_to(channels.mean(0), (2, channels.shape[1]))
    return channels.T.astype(np.float32)


def _refuse_short(path: Path | str, present: float, start: float, wanted: float) -> None:
    if present < wanted * (1 - MISSING_SHARE):
        raise MediaError(path, "short", f"{present:.2f} s of sound from {start:g} s, {wanted:g} s wanted")


def _fit(wave: Wave, samples: int) -> Wave:
    """Cut or fill with silence at the end."""
    if len(wave) >= samples:
        return np.ascontiguousarray(wave[:samples])
    return np.pad(wave, (0, samples - len(wave)))
