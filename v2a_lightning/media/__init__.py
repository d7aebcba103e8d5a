"""Decoding and writing pictures and sound: the only room that knows FFmpeg."""

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.writing import replace_audio, write_clip, write_wave

__all__ = ["MediaError", "replace_audio", "write_clip", "write_wave"]
