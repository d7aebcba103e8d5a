"""Opening media files, decoding past damage, which frame is on the screen when, and FFmpeg's many errors as one."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import av
import numpy as np
from av import Packet, VideoFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.pictures import Frames, turned

Timed = TypeVar("Timed")

# Lists of other files, which a clip must not be able to name.
PLAYLIST_FORMATS = frozenset({"hls", "concat", "dash", "sdp", "imf", "image2", "mpjpeg"})
# Containers that hold the time of every frame. In the others it is counted from where one lands, and is wrong there.
TIMED_FORMATS = frozenset({"mp4", "matroska", "mpegts", "flv", "asf", "avi", "ogg", "wav"})
USUAL_PACKET_SECONDS = 0.025
# Timestamps are rounded to the container's clock: a frame may begin this much after the time it is wanted for.
CLOCK_TOLERANCE = 1e-3
# Share of the wanted seconds that may be missing or damaged: encoders cut ten seconds to 9.98 or 10.02.
MISSING_SHARE = 0.05


@dataclass
class Loss:
    """What of a stream could not be decoded: spans in seconds on the file's own clock, and the first error."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    said: str = ""

    def note(self, error: Exception, begin: float, seconds: float) -> None:
        self.said = self.said or _one_line(error)
        self.spans.append((begin, begin + seconds))

    def refuse(self, path: Path | str, begin: float, end: float, anything: bool, of_what: str = "") -> None:
        """Raise an undecodable MediaError when nothing, or too little of [begin, end), could be decoded."""
        lost = sum(max(0.0, min(end, last) - max(begin, first)) for first, last in self.spans)
        if self.said and (not anything or lost > MISSING_SHARE * (end - begin)):
            damaged = f"{lost:.2f} s of {end - begin:.2f} s{of_what} are damaged: " if anything else ""
            raise MediaError(path, "undecodable", f"{damaged}{self.said}")


@contextmanager
def open_media(path: Path | str) -> Iterator[InputContainer]:
    """Open a media file for a block; MediaError for pictures, playlists and whatever FFmpeg says inside the block."""
    if not Path(path).is_file():
        raise MediaError(path, "missing")
    try:
        # With its protocol, a name with a colon in it is no address.
        with av.open(f"file:{path}") as container:
            _refuse_other_kinds(path, container.format.name)
            yield container
    except (av.FFmpegError, UnicodeError) as error:
        raise MediaError(path, "undecodable", _one_line(error)) from error


def _refuse_other_kinds(path: Path | str, name: str) -> None:
    if name.endswith("_pipe"):
        kind = name.removesuffix("_pipe")
        raise MediaError(path, "undecodable", f"a picture of a kind that is not read ({kind}); save it as JPEG or PNG")
    if name in PLAYLIST_FORMATS:
        raise MediaError(path, "undecodable", f"a list of other files ({name}) and no clip")


def _one_line(error: Exception) -> str:
    said = error.strerror if isinstance(error, av.FFmpegError) and error.strerror else str(error)
    return said.replace("\n", " ")


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The moving picture that FFmpeg takes: the default one, else the largest; the cover of a sound file is not one."""
    moving = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic
    ]
    return max(moving, key=lambda stream: (_is_default(stream), stream.width * stream.height), default=None)


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The sound track that FFmpeg takes: the default one, else the one with most channels."""
    known = [stream for stream in container.streams.audio if stream.codec_context is not None]
    return max(known, key=lambda stream: (_is_default(stream), stream.channels), default=None)


def _is_default(stream: VideoStream | AudioStream) -> bool:
    return bool(stream.disposition & Disposition.default)


def seek(container: InputContainer, seconds: float) -> bool:
    """Go to a keyframe before a time on the file's own clock; False where that cannot be done or trusted."""
    if not TIMED_FORMATS & set(container.format.name.split(",")):
        return False
    try:
        container.seek(int(seconds * av.time_base), backward=True)
    except av.FFmpegError:
        return False
    return True


def time_zero(container: InputContainer) -> float:
    """Where the file's clock starts, in seconds. Picture and sound share it, so that they stay together."""
    return (container.start_time or 0) / av.time_base


def decode_from(container: InputContainer, stream: Any, seconds: float | None, loss: Loss) -> Iterator[Any]:
    """Decode a stream from shortly before `seconds` on the file's own clock; from the beginning when that is None.

    A packet that cannot be decoded costs itself and is counted in `loss`. Some containers have no index and land
    behind the time sought: those are decoded from the beginning too.
    """
    if seconds is None:
        yield from _decode(container, stream, loss)
        return
    found: Any = None
    if seek(container, seconds):
        decoded = _decode(container, stream, loss)
        found = next(decoded, None)
        # What was cut in two by landing inside it is not lost.
        loss.spans.clear()
    if found is not None and found.time is not None and found.time <= seconds:
        yield found
        yield from decoded
        return
    with av.open(container.name) as reopened:
        yield from _decode(reopened, reopened.streams[stream.index], loss)


def packets_of(container: InputContainer, *streams: Any) -> "Iterator[Packet[Any]]":
    """Some streams' packets from where the container stands; empty ones flush the decoders. Or av.FFmpegError."""
    packets: Iterator[Packet[Any]] = container.demux(*streams)
    while True:
        try:
            packet = next(packets, None)
        except IndexError:
            # A stream that the headers did not name: PyAV has to be asked anew, and goes on behind its first packet.
            packets = container.demux(*streams)
            continue
        if packet is None:
            return
        yield packet


def _decode(container: InputContainer, stream: Any, loss: Loss) -> Iterator[Any]:
    stream.codec_context.thread_count = 1
    packets, base = packets_of(container, stream), float(stream.time_base or 0)
    due = 0.0
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            # A file that breaks off has what came before.
            loss.note(error, due, 0.0)
            packet = None
        if packet is None:
            return
        begin, seconds = packet_span(packet, due, base=base)
        due = begin + seconds
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            loss.note(error, begin, seconds if packet.size else 0.0)
        else:
            yield from frames


def packet_span(
    packet: "Packet[Any]", due: float, usual: float = USUAL_PACKET_SECONDS, base: float | None = None
) -> tuple[float, float]:
    """When a packet begins and how long it lasts, in seconds; where it does not say so, when it is due.

    Who asks for many gives the `base` of their times, which takes longer to ask for than all the rest.
    """
    base = float(packet.time_base or 0) if base is None else base
    time = packet.pts if packet.pts is not None else packet.dts
    return due if time is None else time * base, (packet.duration or 0) * base or usual


def timed_frames(
    decoded: Iterable[VideoFrame], stream: VideoStream, zero: float
) -> Iterator[tuple[float, float, VideoFrame]]:
    """Begin and end of each frame in seconds from the clip's beginning, and the frame."""
    usual = usual_seconds(stream)
    # Fractions take their time, and nearly all frames last equally long.
    seconds: dict[int, float] = {}
    end = 0.0
    for frame in decoded:
        begin = end if frame.time is None else frame.time - zero
        ticks = frame.duration
        if ticks not in seconds:
            seconds[ticks] = float(ticks * (frame.time_base or 0)) or usual
        end = begin + seconds[ticks]
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


def upright(frame: VideoFrame, reformatter: VideoReformatter) -> Frames:
    """RGB pixels turned and mirrored as the file's display matrix says; one reformatter serves a whole stream."""
    # Without a number there are threads for every processor, in every decoding process.
    pixels = reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return turned(cast(Frames, pixels), *display_orientation(frame))


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
