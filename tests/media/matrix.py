"""Clips of numbered frames and clicks in every container, codec and timing in which clips arrive."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH, BITS = 96, 128, 8
FPS, SECONDS, RATE = 25, 3, 48_000
CLICKS = (0.5, 1.5, 2.5)
CLOCK = Fraction(1, 1000)


@dataclass(frozen=True)
class Shape:
    """How a clip is written.

    Args:
        suffix: names the container.
        video: encoder of the picture.
        audio: encoder of the sound.
        times: milliseconds at which the frames begin; empty for 25 a second, with the encoder's own clock.
        picture_late: frames by which the picture begins after the sound.
        later: seconds at which both begin.
        muxing: options of the container.
        container: FFmpeg's name for it, where the suffix does not say it.
        encoding: options of the picture's encoder.
        pixels: FFmpeg's name for how pixels are stored.
    """

    suffix: str
    video: str = "libx264"
    audio: str = "aac"
    times: tuple[int, ...] = ()
    picture_late: int = 0
    later: int = 0
    muxing: dict[str, str] = field(default_factory=dict)
    container: str | None = None
    encoding: dict[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"

    @property
    def count(self) -> int:
        return len(self.times) or FPS * SECONDS

    def begin(self, number: int) -> float:
        """When a frame begins, in seconds after the first sample of sound."""
        return self.times[number] / 1000 if self.times else (number + self.picture_late) / FPS


def picture(number: int) -> NDArray[np.uint8]:
    """A frame whose upper half shows its number as bars, and whose lower half tells left from right."""
    pixels = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    for bit in range(BITS):
        pixels[: HEIGHT // 2, bit * WIDTH // BITS : (bit + 1) * WIDTH // BITS] = 220 if number >> bit & 1 else 30
    pixels[HEIGHT // 2 :] = np.linspace(30, 220, WIDTH)[None, :, None]
    return pixels


def number_of(pixels: NDArray[np.uint8]) -> int:
    """The number that a frame shows."""
    bars = pixels[8 : HEIGHT // 2 - 8].mean((0, 2)).reshape(BITS, -1)[:, 4:-4].mean(1)
    return sum(int(level > 125) << bit for bit, level in enumerate(bars))


def clicks(seconds: float = SECONDS, rate: int = RATE, times: Sequence[float] = CLICKS) -> NDArray[np.float32]:
    """Bursts of 10 ms at known times."""
    waveform = np.zeros(round(seconds * rate), np.float32)
    burst = 0.6 * np.sin(2 * np.pi * 2000 * np.arange(rate // 100) / rate) * np.hanning(rate // 100)
    for time in times:
        waveform[round(time * rate) :][: len(burst)] = burst[: max(0, len(waveform) - round(time * rate))]
    return waveform


def click_times(waveform: NDArray[np.float32], rate: int) -> list[float]:
    """When each click is loudest, in seconds, counted from where `clicks` puts them."""
    power = np.convolve(waveform.astype(np.float64) ** 2, np.hanning(rate // 100), "same")
    found = []
    while power.max(initial=0.0) > 0.1:
        middle = int(power.argmax())
        found.append(middle / rate - 0.005)
        power[max(0, middle - rate // 20) : middle + rate // 20] = 0
    return sorted(found)


def write(path: Path, shape: Shape) -> None:
    """Encode and write a clip."""
    with av.open(str(path), "w", format=shape.container, options=shape.muxing) as container:
        video = container.add_stream(shape.video, rate=FPS, options={"g": "12", "threads": "1", **shape.encoding})
        video.width, video.height, video.pix_fmt, video.bit_rate = WIDTH, HEIGHT, shape.pixels, 2_000_000
        base = CLOCK if shape.times else Fraction(1, FPS)
        video.codec_context.time_base = base
        audio = container.add_stream(shape.audio, rate=RATE, layout="mono", options={"b": "128k"})
        packets = []
        for number in range(shape.count):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = round((shape.begin(number) + shape.later) / base), base
            packets += video.encode(frame)
        packets += video.encode(None) + _encode_sound(audio, shape.later)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)


def _encode_sound(stream: av.AudioStream, later: int) -> list[av.Packet]:
    resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE)
    sound = av.AudioFrame.from_ndarray(clicks()[None], format="fltp", layout="mono")
    sound.sample_rate, sound.pts, sound.time_base = RATE, later * RATE, Fraction(1, RATE)
    return [packet for frame in resampler.resample(sound) for packet in stream.encode(frame)] + stream.encode(None)


def cut(source: Path, target: Path, begin: float, shift: float) -> None:
    """Copy the packets from the last keyframe before `begin` on, as `ffmpeg -c copy` does, `shift` seconds earlier."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        old.seek(int(begin * av.time_base), backward=True)
        for packet in old.demux():
            if packet.dts is None:
                continue
            offset = round(shift / packet.time_base)
            packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
            packet.stream = streams[packet.stream.index]
            new.mux(packet)


def shown(path: Path, numbers: Sequence[int], times: Sequence[float]) -> list[int]:
    """Which of the numbers, in the order of showing, is on the screen at each time, by the packets' timestamps."""
    with av.open(str(path)) as container:
        zero = container.start_time / av.time_base
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
    stamps = [packet.pts if packet.pts is not None else packet.dts for packet in packets if not packet.is_discard]
    begins = np.sort([float(stamp * packets[0].time_base) - zero for stamp in stamps])
    assert len(begins) == len(numbers)
    within = [time for time in times if time < begins[-1] + 1 / FPS]
    return [numbers[max(0, int(np.searchsorted(begins, time + 1e-3, side="right")) - 1)] for time in within]


def first_picture(path: Path) -> float:
    """When the first picture begins, in seconds from the file's beginning."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
        stamps = [packet.pts if packet.pts is not None else packet.dts for packet in packets if not packet.is_discard]
        return float(min(stamps) * packets[0].time_base) - container.start_time / av.time_base
