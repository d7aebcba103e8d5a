"""What a media file holds, and how long it and its picture last."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.opening import (
    USUAL_PACKET_SECONDS,
    open_media,
    packet_span,
    packets_of,
    picture_stream,
    seek,
    sound_stream,
    time_zero,
    usual_seconds,
)
from v2a_lightning.media.pictures import animation_frames, is_animation, is_picture, read_picture

# A header's duration may be off by this much, in seconds: encoders round, and pad the last packet of sound.
DURATION_TOLERANCE = 0.25


@dataclass(frozen=True)
class MediaInfo:
    """Duration (seconds; 0 for a picture), stored size (pixels), average rate, and sound; 0 for what is not there."""

    duration: float
    width: int = 0
    height: int = 0
    frames_per_second: float = 0.0
    sample_rate: int = 0
    channels: int = 0


def probe(path: Path | str) -> MediaInfo:
    """Read a file's headers, and how long it lasts; only pictures and animations are decoded.

    A duration in the header is replaced by that of the packets where it is off by more than a quarter of a second, as
    in what a browser recorded, in pipes and in files that break off.

    Raises:
        MediaError: missing or undecodable.
    """
    if is_picture(path):
        height, width = read_picture(path).shape[1:3]
        return MediaInfo(0.0, width, height)
    if is_animation(path):
        frames = [(end, pixels.shape) for _, end, pixels in animation_frames(path)]
        seconds, (height, width, _) = frames[-1]
        return MediaInfo(seconds, width, height, len(frames) / seconds)
    with open_media(path) as container:
        video, audio = picture_stream(container), sound_stream(container)
        return MediaInfo(
            duration=_duration(container, [stream.index for stream in (video, audio) if stream is not None]),
            width=video.width if video else 0,
            height=video.height if video else 0,
            frames_per_second=float(video.average_rate or 0) if video else 0.0,
            sample_rate=audio.rate if audio else 0,
            channels=audio.channels if audio else 0,
        )


def picture_seconds(path: Path | str) -> float:
    """When the last picture of a video ends, in seconds from the clip's beginning, measured over all packets: headers
    lie.

    Raises:
        MediaError: missing, undecodable, no_video, or short when there is no picture in it.
    """
    if is_animation(path):
        return probe(path).duration
    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(path, "no_video")
        end = _last_packet(container, [stream.index], time_zero(container), usual_seconds(stream))[1]
    if not end:
        raise MediaError(path, "short", "no picture in it")
    return end


def _duration(container: InputContainer, streams: list[int]) -> float:
    zero, header = time_zero(container), (container.duration or 0) / av.time_base
    begin = end = 0.0
    if header > 0 and seek(container, zero + header):
        begin, end = _last_packet(container, streams, zero)
    if end <= 0:
        with av.open(container.name) as reopened:
            begin, end = _last_packet(reopened, streams, zero)
    # How long a packet lasts is a guess in many containers: a header that says when the last one ends is better.
    return header if begin - DURATION_TOLERANCE <= header <= end + DURATION_TOLERANCE else end


def _last_packet(
    container: InputContainer, streams: list[int], zero: float, usual: float = USUAL_PACKET_SECONDS
) -> tuple[float, float]:
    """The latest begin and the latest end of the streams' packets after `zero`, from where the container stands."""
    begins, ends = [0.0], [0.0]
    due = dict.fromkeys(streams, zero)
    with suppress(av.FFmpegError):
        # A file that breaks off ends there.
        for packet in packets_of(container, *(container.streams[index] for index in streams)):
            if packet.size and not packet.is_discard:
                begin, seconds = packet_span(packet, due[packet.stream_index], usual)
                due[packet.stream_index] = begin + seconds
                begins.append(begin - zero)
                ends.append(begin + seconds - zero)
    return max(begins), max(ends)
