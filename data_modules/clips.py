"""Which clips there are: VGGSound's csv, the files of a folder, and which of them are held out."""

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from v2a_lightning.errors import UsageError
from v2a_lightning.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from v2a_lightning.metrics.cards import clips_sha256

TRAIN, VALIDATION, TEST = "train", "validation", "test"
CSV_FORM = "youtube id, start second, label, split; VGGSound's csv has no header"


@dataclass(frozen=True)
class Clip:
    """A clip of a data set.

    Args:
        clip_id: the stem of its file: for VGGSound `<youtube id>_<start second as 6 digits>`.
        label: its class.
        split: train, validation, test or whatever the data set has.
        path: its file; None when there is none.
        duplicate: whether the data set names this clip a second time.
    """

    clip_id: str
    label: str
    split: str
    path: Path | None = None
    duplicate: bool = False


def read_vggsound_csv(path: Path | str) -> list[Clip]:
    """Read the published csv: one line `id,start,label,split` per clip.

    Raises:
        UsageError: when there is no such file, or a line is not of that form (its number is named).
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"csv {path}: there is no such file")
    lines = enumerate(csv.reader(io.StringIO(_text(path, "csv"), newline="")), 1)
    try:
        clips = [_clip_of_line(path, number, fields) for number, fields in lines if fields]
    except csv.Error as error:
        raise UsageError(f"csv {path}: {error} ({CSV_FORM})") from error
    if not clips:
        raise UsageError(f"csv {path} is empty; expected {CSV_FORM}")
    seen: set[str] = set()
    return [replace(clip, duplicate=True) if clip.clip_id in seen else _seen(clip, seen) for clip in clips]


def vggsound_id(youtube_id: str, start: int) -> str:
    """The clip's id and the stem of its file."""
    return f"{youtube_id}_{start:06d}"


def find_media(folder: Path | str, suffixes: Iterable[str] = VIDEO_SUFFIXES | PICTURE_SUFFIXES) -> dict[str, Path]:
    """Media files by their stem, in a folder and in the folders right inside it.

    Raises:
        UsageError: when there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"media {folder}: there is no such folder")
    wanted = frozenset(suffixes)
    within = [folder, *sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))]
    # Names in a fixed order, so that of two files with one stem every run takes the same.
    names = [(place, name) for place in reversed(within) for name in sorted(os.listdir(place), reverse=True)]
    return {Path(name).stem: place / name for place, name in names if Path(name).suffix.lower() in wanted}


def hold_out(
    clips: Sequence[Clip], fraction: float, count: int | None, source: str = TRAIN, target: str = VALIDATION
) -> list[Clip]:
    """Move a part of a split into another one, chosen by a hash of the clips' ids.

    Whether a clip is held out depends on its id alone (with `fraction`), so adding clips later moves none across.

    Args:
        clips: all clips.
        fraction: share to hold out; at least two clips, since one has no other to be told from, or all but one.
        count: that many instead of a share.
        source: the split to take from.
        target: what the held out clips' split is called.
    """
    candidates = sorted((clip.clip_id for clip in clips if clip.split == source), key=_hash)
    if any(clip.split == target for clip in clips) or len(candidates) < 2:
        return list(clips)
    if count is None:
        count = max(2, sum(_hash(clip_id) < fraction for clip_id in candidates))
    held = set(candidates[: min(count, len(candidates) - 1)])
    return [replace(clip, split=target) if clip.clip_id in held else clip for clip in clips]


def subset(clips: Sequence[Clip], count: int | None) -> list[Clip]:
    """At most `count` clips of each split, chosen by a hash of their ids; the clips keep their order."""
    if count is None:
        return list(clips)
    chosen: set[str] = set()
    for split in {clip.split for clip in clips}:
        ids = sorted({clip.clip_id for clip in clips if clip.split == split}, key=_hash)
        chosen.update(ids[:count])
    return [clip for clip in clips if clip.clip_id in chosen]


def read_ids(path: Path | str) -> set[str]:
    """Clip ids from a text file with one in each line; a suffix such as .mp4 is taken off.

    Raises:
        UsageError: when there is no such file, or nothing in it.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"list of ids {path}: there is no such file")
    lines = (line.strip() for line in _text(path, "list of ids").splitlines())
    ids = {line.rsplit(".", 1)[0] if line.endswith(tuple(VIDEO_SUFFIXES)) else line for line in lines if line}
    if not ids:
        raise UsageError(f"list of ids {path} is empty")
    return ids


def ids_hash(clip_ids: Iterable[str]) -> str:
    """Stands for a set of clips, as in a metric card: results with the same one were measured on the same clips."""
    return clips_sha256(sorted(set(clip_ids)))


def _text(path: Path, what: str) -> str:
    """A file's text; a byte order mark, as spreadsheets write it, is no part of the first id."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{what} {path} is not a readable text file in UTF-8: {error}") from error


def _clip_of_line(path: Path, number: int, fields: Sequence[str]) -> Clip:
    if len(fields) != 4:
        raise UsageError(f"csv {path}, line {number}: {len(fields)} columns where 4 are expected ({CSV_FORM})")
    youtube_id, start, label, split = (field.strip() for field in fields)
    if not start.isdecimal():
        raise UsageError(f"csv {path}, line {number}: the start second is a whole number, not {start!r} ({CSV_FORM})")
    if not (youtube_id and label and split):
        raise UsageError(f"csv {path}, line {number}: a column is empty ({CSV_FORM})")
    return Clip(vggsound_id(youtube_id, int(start)), label, split)


def _seen(clip: Clip, seen: set[str]) -> Clip:
    seen.add(clip.clip_id)
    return clip


def _hash(clip_id: str) -> float:
    """A number in [0, 1) that belongs to the id."""
    return int.from_bytes(hashlib.sha256(f"held out/{clip_id}".encode()).digest()[:6], "big") / 2**48
