"""Stimuli: sounds of one length and loudness, hidden anchors, and videos without their sound."""

import io
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.listening.loudness import level
from v2a_lightning.media import MediaError, probe, read_frames, read_waveform, resample, write_clip
from v2a_lightning.specs import FrameSpec

Waveform = NDArray[np.float32]
Frames = NDArray[np.uint8]

# A cut in the middle of a sound would click.
FADE_SECONDS = 0.01
# The low anchor is what is left of a sound below this, under as much noise.
LOW_ANCHOR_HERTZ = 1000.0
VIDEO_HEIGHT, VIDEO_RATE = 360, 25.0
HIGHEST_RATE = 48_000


def read_sounds(paths: dict[str, Path], longest: float | None) -> tuple[dict[str, Waveform], int]:
    """Read the sounds that belong to one clip, at one sample rate and cut to the shortest of them.

    Length and sample rate would otherwise tell which system made a sound. The common rate is the highest there is, so
    that no system loses what it made.

    Args:
        paths: name -> file, in any format FFmpeg reads.
        longest: seconds that are used at most.

    Returns:
        name -> mono float32 of shape (N,), N the same for all, with faded ends; and the sample rate.

    Raises:
        MediaError: when a file cannot be read.
    """
    read = {name: read_waveform(path) for name, path in paths.items()}
    rate = min(HIGHEST_RATE, max(native for _, native in read.values()))
    sounds = {name: resample(sound, native, rate) for name, (sound, native) in read.items()}
    shortest = min(map(len, sounds.values()))
    samples = shortest if longest is None else min(shortest, round(longest * rate))
    return {name: _faded(sound[:samples], rate) for name, sound in sounds.items()}, rate


def low_anchor(waveform: Waveform, sample_rate: int, seed: int) -> Waveform:
    """A sound nobody should find good: (N,) low-passed, under white noise of the same power."""
    from scipy.signal import butter, sosfiltfilt

    low = butter(4, min(LOW_ANCHOR_HERTZ, 0.4 * sample_rate), fs=sample_rate, output="sos")
    dull = sosfiltfilt(low, waveform.astype(np.float64))
    noise = np.random.default_rng(seed).standard_normal(len(waveform))
    spoilt = dull + noise * np.sqrt(np.mean(dull**2))
    return _faded((spoilt / max(1.0, np.abs(spoilt).max())).astype(np.float32), sample_rate)


def volume_check(target: float, sample_rate: int = 24_000, seconds: float = 3.0) -> Waveform:
    """Soft noise at `target` LUFS, to set the volume by: pink, so that it is as pleasant as noise can be."""
    samples = round(seconds * sample_rate)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(samples))
    hertz = np.fft.rfftfreq(samples, 1 / sample_rate)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 60.0)), samples)
    return _faded(level((pink / np.abs(pink).max()).astype(np.float32), sample_rate, target)[0], sample_rate, 0.4)


def flac(waveform: Waveform, sample_rate: int) -> bytes:
    """A waveform as FLAC, which loses nothing and carries no name."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(waveform, -1.0, 1.0), sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def picture(path: Path) -> bytes:
    """A still picture as JPEG, at most twice VIDEO_HEIGHT high."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_shrunk(read_frames(path, FrameSpec())[0], 2 * VIDEO_HEIGHT)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def silent_video(path: Path, seconds: float) -> bytes:
    """The first seconds of a video as H.264 without sound, at most VIDEO_HEIGHT high and VIDEO_RATE frames a second.

    Raises:
        MediaError: when it cannot be read.
    """
    rate = min(VIDEO_RATE, probe(path).frames_per_second or VIDEO_RATE)
    frames = np.concatenate(_seconds_of_frames(path, rate, seconds))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "video.mp4"
        write_clip(target, frames, rate, None)
        return target.read_bytes()


def _seconds_of_frames(path: Path, rate: float, seconds: float) -> list[Frames]:
    """Frames second by second, shrunk before the next second is read: ten seconds of a large video fill a memory."""
    pieces: list[Frames] = []
    for start in range(int(np.ceil(seconds - 1 / rate)) or 1):
        spec = FrameSpec(rate, min(1.0, seconds - start))
        try:
            frames = read_frames(path, spec, start=float(start))
        except MediaError as error:
            if pieces and error.reason == "short":
                break
            raise
        pieces.append(np.stack([_shrunk(frame, VIDEO_HEIGHT) for frame in frames]))
    return pieces


def _shrunk(pixels: Frames, height: int) -> Frames:
    """A picture (H, W, 3) that is at most `height` high, with an even number of rows and columns."""
    from PIL import Image

    scale = min(1.0, height / pixels.shape[0])
    size = [max(2, round(side * scale / 2) * 2) for side in (pixels.shape[1], pixels.shape[0])]
    if size == [pixels.shape[1], pixels.shape[0]]:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((size[0], size[1]), Image.Resampling.LANCZOS))


def _faded(waveform: Waveform, sample_rate: int, seconds: float = FADE_SECONDS) -> Waveform:
    samples = min(len(waveform) // 2, round(seconds * sample_rate))
    ramp = np.linspace(0, 1, samples, endpoint=False, dtype=np.float32)
    faded = waveform.astype(np.float32, copy=True)
    faded[:samples] *= ramp
    faded[len(faded) - samples :] *= ramp[::-1]
    return faded
