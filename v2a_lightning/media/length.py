"""How long a video's picture is."""

from pathlib import Path

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.opening import open_media, picture_stream, time_zero

USUAL_RATE = 25


def picture_seconds(path: Path | str) -> float:
    """When the last picture of a video ends, in seconds from the clip's beginning.

    It is measured over all packets, without decoding them: recordings that were never finished have no length in their
    header, cut ones a wrong one, and a header's length may be that of the sound.

    Raises:
        MediaError: missing, undecodable, no_video, or short when there is no picture in it.
    """
    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(path, "no_video")
        usual = 1 / float(stream.average_rate or stream.guessed_rate or USUAL_RATE)
        end = 0.0
        for packet in container.demux(stream):
            shown = packet.dts if packet.pts is None else packet.pts
            if shown is None or packet.is_discard:
                continue
            clock = float(packet.time_base or 0)
            end = max(end, shown * clock + (float((packet.duration or 0) * clock) or usual) - time_zero(container))
    if not end:
        raise MediaError(path, "short", "no picture in it")
    return end
