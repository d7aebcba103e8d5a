"""What a media file holds, read from its headers."""

from dataclasses import dataclass
from pathlib import Path

import av

from v2a_lightning.media.frames import read_frames
from v2a_lightning.media.opening import is_picture, open_media, picture_stream, sound_stream
from v2a_lightning.specs import FrameSpec


@dataclass(frozen=True)
class MediaInfo:
    """Headers of a file; 0 and "" stand for what it does not have.

    Args:
        path: the file.
        duration: seconds; 0 for a picture.
        width: pixels as stored, before rotation.
        height: pixels as stored, before rotation.
        frames_per_second: on average.
        video_codec: its short name.
        sample_rate: Hz.
        channels: of the sound.
        audio_codec: its short name.
    """

    path: Path
    duration: float
    width: int = 0
    height: int = 0
    frames_per_second: float = 0.0
    video_codec: str = ""
    sample_rate: int = 0
    channels: int = 0
    audio_codec: str = ""

    @property
    def has_video(self) -> bool:
        """Whether there is a picture, moving or not."""
        return self.width > 0

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""
        return self.sample_rate > 0


def probe(path: Path | str) -> MediaInfo:
    """Read a file's headers; only a picture is decoded.

    Raises:
        MediaError: missing or undecodable.
    """
    if is_picture(path):
        height, width = read_frames(path, FrameSpec()).shape[1:3]
        return MediaInfo(Path(path), 0.0, width, height)
    with open_media(path) as container:
        video, audio = picture_stream(container), sound_stream(container)
        return MediaInfo(
            path=Path(path),
            duration=(container.duration or 0) / av.time_base,
            width=video.width if video else 0,
            height=video.height if video else 0,
            frames_per_second=float(video.average_rate or 0) if video else 0.0,
            video_codec=video.codec_context.name if video else "",
            sample_rate=audio.rate if audio else 0,
            channels=audio.channels if audio else 0,
            audio_codec=audio.codec_context.name if audio else "",
        )
