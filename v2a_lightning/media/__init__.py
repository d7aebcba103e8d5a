"""Decoding and writing pictures and sound: the only room that knows FFmpeg."""

from v2a_lightning.media.audio import is_silent, read_audio, read_waveform, resample
from v2a_lightning.media.clip import ClipRequest, DecodedClip, Inspection, decode_clip, inspect_clip
from v2a_lightning.media.cutting import cut_clip
from v2a_lightning.media.decoder import Decoder
from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.frames import fit_picture, is_still, read_frames
from v2a_lightning.media.kinds import PICTURE_SUFFIXES, VIDEO_SUFFIXES, find_media_files
from v2a_lightning.media.pictures import is_picture, picture_in_memory
from v2a_lightning.media.probe import picture_seconds, probe
from v2a_lightning.media.remote import MediaPath, RemoteFile
from v2a_lightning.media.workers import WorkerPool, prefetch
from v2a_lightning.media.writing import CONTAINERS, copy_with_sound, replace_audio, write_clip, write_waveform

__all__ = [
    "CONTAINERS",
    "PICTURE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "ClipRequest",
    "DecodedClip",
    "Decoder",
    "Inspection",
    "MediaError",
    "MediaPath",
    "RemoteFile",
    "WorkerPool",
    "copy_with_sound",
    "cut_clip",
    "decode_clip",
    "find_media_files",
    "fit_picture",
    "inspect_clip",
    "is_picture",
    "is_silent",
    "is_still",
    "picture_in_memory",
    "picture_seconds",
    "prefetch",
    "probe",
    "read_audio",
    "read_frames",
    "read_waveform",
    "replace_audio",
    "resample",
    "write_clip",
    "write_waveform",
]
