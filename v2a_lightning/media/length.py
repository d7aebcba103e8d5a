"""How long a video's picture is."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.frames import usual_seconds
from v2a_lightning.media.opening import open_media, packet_span, packets_of, picture_stream, time_zero
from v2a_lightning.media.pictures import is_animation
from v2a_lightning.media.probe import probe


def picture_seconds(path: Path | str) -> float:
    """When the last picture of a video ends, in seconds from the clip's beginning.

    It is measured over all packets, without decoding them: recordings that were never finished have no length in their
    header, cut ones a wrong one, and a header's length may be that of the sound.

    Raises:
        MediaError: missing, undecodable, no_video, or short when there is no picture in it.
    """
    if is_animation(path):
        return probe(path).duration
    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(path, "no_video")
        usual, zero, end = usual_seconds(stream), time_zero(container), 0.0
        due = zero
        with suppress(av.FFmpegError):
            # A file that breaks off ends there.
            for packet in packets_of(container, stream):
                if packet.size and not packet.is_discard:
                    begin, seconds = packet_span(packet, due, usual)
                    due = begin + seconds
                    end = max(end, due - zero)
    if not end:
        raise MediaError(path, "short", "no picture in it")
    return end


def picture_packets(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[Any]]":
    """A picture's packets; a file that breaks off ends there."""
    with suppress(av.FFmpegError):
        for packet in packets_of(container, stream):
            if packet.dts is not None or packet.pts is not None:
                yield packet


def shown_seconds(packet: "Packet[Any]") -> float:
    """When a packet's picture comes on the screen, on the file's own clock."""
    time = packet.dts if packet.pts is None else packet.pts
    return float((time or 0) * (packet.time_base or 0))
