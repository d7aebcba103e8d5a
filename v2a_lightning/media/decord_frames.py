"""The decord backend, for files of which it is known that it gives the frames that PyAV gives.

decord 0.6 starts its clock at the first picture, seeks by positions that some containers do not have, shows what cannot
be decoded behind an open group of pictures, and knows no display matrix and few of today's codecs. So PyAV reads the
timestamps and chooses the frames, and decord only decodes them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from av import Packet
from av.container import InputContainer
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from v2a_lightning.media.opening import (
    Loss,
    decode_from,
    display_orientation,
    frames_at,
    open_media,
    packets_of,
    picture_stream,
    time_zero,
    usual_seconds,
)
from v2a_lightning.media.pictures import Frames

KNOWN_CODECS = frozenset({"h264"})
# The unit of H.264 that begins anew.
IDR = 5
# decord's clock is a float of single precision.
CLOCK_TOLERANCE = 1e-3


def read_with_decord(path: Path | str, times: Sequence[float]) -> list[Frames] | None:
    """The frames (H, W, 3) on the screen at each of the times; None for a file that PyAV has to read.

    Raises:
        MediaError: missing or undecodable.
    """
    import decord

    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None or not _is_plain(container, stream):
            return None
        clock = _clock(container, stream)
    if clock is None:
        return None
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        if not _same_clock(np.asarray(reader.get_frame_timestamp(range(len(reader)))), clock):
            return None
        wanted = list(frames_at(clock, times))
        return list(reader.get_batch(wanted).asnumpy()) if wanted else []
    except (decord.DECORDError, RuntimeError):
        # PyAV finds out what is wrong with the file, and says it.
        return None


def _is_plain(container: InputContainer, stream: VideoStream) -> bool:
    codec = stream.codec_context
    return (
        "mp4" in container.format.name.split(",")
        and len(container.streams.video) == 1
        and codec.name in KNOWN_CODECS
        and codec.pix_fmt == "yuv420p"
        and codec.color_range != ColorRange.JPEG
        and time_zero(container) == 0
    )


def _clock(container: InputContainer, stream: VideoStream) -> list[tuple[float, float, int]] | None:
    """Begin, end and number of each frame in the order of showing; None where packets do not tell the frames."""
    loss = Loss()
    first = next(decode_from(container, stream, None, loss), None)
    if loss.said or first is None or first.interlaced_frame or any(display_orientation(first)):
        return None
    container.seek(0)
    packets = [packet for packet in packets_of(container, stream) if packet.size]
    times = sorted(packet.pts for packet in packets if packet.pts is not None)
    plain = not any(packet.is_discard or packet.is_corrupt for packet in packets)
    if not plain or not _keys_stand_alone(stream, packets) or len(set(times)) < len(packets) or times[0] != 0:
        return None
    base, usual = float(stream.time_base or 0), usual_seconds(stream)
    lasts = {packet.pts: float((packet.duration or 0) * base) or usual for packet in packets}
    return [(time * base, time * base + lasts[time], number) for number, time in enumerate(times)]


def _keys_stand_alone(stream: VideoStream, packets: "list[Packet[Any]]") -> bool:
    """Whether nothing behind a keyframe needs what was before it, so that any keyframe can be sought (H.264's IDR)."""
    return packets[0].is_keyframe and all(
        IDR in _unit_types(bytes(packet), stream.codec_context.extradata) for packet in packets if packet.is_keyframe
    )


def _unit_types(content: bytes, settings: bytes | None) -> set[int]:
    """Types of a packet's H.264 units, each of which stands behind its length, as in an MP4."""
    length_size = (settings[4] & 3) + 1 if settings is not None and len(settings) > 4 else 4
    found, at = set(), 0
    while at + length_size < len(content):
        found.add(content[at + length_size] & 31)
        at += length_size + int.from_bytes(content[at : at + length_size], "big")
    return found


def _same_clock(theirs: NDArray[np.float32], ours: list[tuple[float, float, int]]) -> bool:
    begins = theirs.reshape(len(theirs), -1)[:, 0] if len(theirs) else theirs
    return len(begins) == len(ours) and bool(np.allclose(begins, [begin for begin, _, _ in ours], 0, CLOCK_TOLERANCE))
