"""Small real files in the many shapes in which clips arrive."""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from v2a_lightning.media import write_clip


def numbered_frames(count: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Frames whose grey level says their number: frame i is 10 + 10 * i, with a bright top-left corner."""
    frames = np.empty((count, height, width, 3), np.uint8)
    frames[:] = (10 + 10 * np.arange(count)).astype(np.uint8)[:, None, None, None]
    frames[:, : height // 4, : width // 4] = 255
    return frames


def numbers_of(frames: NDArray[np.uint8]) -> list[int]:
    """What `numbered_frames` wrote, read from the middle of each picture."""
    middle = frames[:, frames.shape[1] // 2, frames.shape[2] // 2].mean(-1)
    return [round((level - 10) / 10) for level in middle]


def tone(seconds: float, rate: int, frequency: float = 440.0, level: float = 0.5) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def turn(path: Path, degrees: int) -> None:
    """Write a display matrix that turns clockwise into an mp4's track header, as phones do."""
    write_matrix(path, {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees])


def write_matrix(path: Path, corner: tuple[int, int, int, int]) -> None:
    """Write a display matrix with the corner (a, b, c, d), which shows (x, y) at (a x + c y, b x + d y)."""
    data = bytearray(path.read_bytes())
    matrix = data.index(struct.pack(">3i", 0x10000, 0, 0), data.index(b"tkhd"))
    a, b, c, d = (value * 0x10000 for value in corner)
    struct.pack_into(">9i", data, matrix, a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)


def write_uneven(path: Path, frames: NDArray[np.uint8], milliseconds: list[int]) -> None:
    """A clip whose frame i is shown from milliseconds[i] on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0", "crf": "15"})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for pixels, time in zip(frames, milliseconds, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_sound(path: Path, channels: NDArray[np.float32], rate: int, codec: str, layout: str) -> None:
    """A sound file of (C, N) in a given codec and channel layout."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=layout)
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds: 16 numbered frames at 8 a second, and a 440 Hz tone in stereo, right at half the left's level."""
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    left = tone(2.0, 16_000)
    write_clip(path, numbered_frames(16), 8, np.stack([left, left / 2], 1), 16_000)
    return path


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Write a clip under a name: make_clip(name, frames=..., fps=..., waveform=..., rate=...)."""

    def make(
        name: str = "clip.mp4",
        frames: NDArray[np.uint8] | None = None,
        fps: float = 8,
        waveform: NDArray[np.float32] | None = None,
        rate: int = 16_000,
    ) -> Path:
        write_clip(tmp_path / name, numbered_frames(16) if frames is None else frames, fps, waveform, rate)
        return tmp_path / name

    return make
