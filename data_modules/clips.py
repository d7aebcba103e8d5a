"""Which clips there are, how they are split, why some are not used, and the names of their files."""

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from v2a_lightning.data_modules.csv_files import read_text
from v2a_lightning.data_modules.media_files import list_media
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.cards import clips_sha256
from v2a_lightning.files import refuse_unsafe_id
from v2a_lightning.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES, MediaPath, RemoteFile
from v2a_lightning.media.errors import PASSING

TRAIN, VALIDATION, TEST = "train", "validation", "test"
LISTED_SPLITS = {"train": TRAIN, "val": VALIDATION, "test": TEST}
"""Splits by the usual names of their lists."""
# How headers of lists call the two columns that every list has.
ID_COLUMNS = ("clip_id", "video_id", "id", "key", "file_name", "filename", "file", "path", "video", "name", "stem")
LABEL_COLUMNS = ("label", "labels", "caption", "class", "category", "text", "description", "prompt")


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of a data set.

    Args:
        clip_id: for VGGSound `<youtube id>_<start second as 6 digits>`, the stem of its file.
        label: its class, or several separated by `; `, or what describes it.
        split: train, validation, test or whatever the data set has.
        path: its file; None when there is none.
        duplicate: whether the data set names this clip a second time.
    """

    clip_id: str
    label: str
    split: str
    path: MediaPath | None = None
    duplicate: bool = False

    @property
    def has_file(self) -> bool:
        """Whether there is a file of it."""
        return self.path is not None


@dataclass(frozen=True)
class Reject:
    """A clip that is not used, for a `media.Reason`. A file is tried again when its `stamp` has changed."""

    clip_id: str
    path: str
    reason: str
    detail: str = ""
    stamp: str = ""

    def is_final(self, path: MediaPath | None) -> bool:
        """Whether trying the clip's file again would end the same way."""
        return self.reason not in PASSING and self.stamp == file_stamp(path)


@dataclass(frozen=True)
class Splits:
    """How a data set's clips are used.

    Args:
        validation_fraction: share of the training clips held out, by a hash of their ids; 0 for no validation.
        validation_clips: hold out that many instead.
        test_split: the split that is tested and predicted.
        max_clips: at most so many clips of each split, chosen by a hash of their ids.
        passes: how often an epoch goes through the training clips. More than once, a set of a few hundred clips has
            epochs as long as a large one's, each with its validation.
    """

    validation_fraction: float = 0.02
    validation_clips: int | None = None
    test_split: str = TEST
    max_clips: int | None = None
    passes: int = 1

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise UsageError(f"data.splits.passes is at least 1, not {self.passes}")
        if self.validation_clips is not None and self.validation_clips < 2:
            raise UsageError(
                f"data.splits.validation_clips is at least 2, not {self.validation_clips}: one clip cannot be compared "
                "with another; for no validation, leave it out and set data.splits.validation_fraction to 0"
            )
        if not 0 <= self.validation_fraction < 1:
            raise UsageError(
                f"data.splits.validation_fraction is at least 0 and below 1, not {self.validation_fraction}"
            )

    @property
    def holds_out(self) -> bool:
        """Whether a part of the training clips is held out."""
        return bool(self.validation_fraction or self.validation_clips)


def file_stamp(path: MediaPath | str | None) -> str:
    """Size and modification time of a file; empty when there is none."""
    if path is None or isinstance(path, RemoteFile):
        return path.stamp if path else ""
    try:
        status = Path(path).stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def joined_labels(labels: Iterable[str]) -> str:
    """Several labels of one clip as one text, each once, separated by `; `."""
    return "; ".join(dict.fromkeys(label for label in labels if label))


def unused_splits(clips: Iterable[Clip], used: Collection[str]) -> str:
    """One line on the splits that are named and not used; empty when there are none. Case counts."""
    counts = Counter(clip.split for clip in clips if clip.split not in used)
    if not counts:
        return ""
    named = ", ".join(f"{split!r} ({count} clips)" for split, count in sorted(counts.items()))
    return f"splits that nothing uses: {named}; the splits that are used are {', '.join(sorted(used))}"


def vggsound_id(youtube_id: str, start: int) -> str:
    """The clip's id and the stem of its file."""
    return f"{youtube_id}_{start:06d}"


def youtube_names(youtube_id: str, start: float, end: float) -> list[str]:
    """The stems that files of a part of a YouTube video usually have, the clip's id first."""
    begin, plain = int(start), f"{start:g}"
    names = [vggsound_id(youtube_id, begin), f"{youtube_id}_{plain}", f"{youtube_id}_{begin * 1000}"]
    names += [f"{youtube_id}_{start:.1f}", f"{youtube_id}_{start:.3f}"]
    names += [f"{youtube_id}_{begin:06d}_{int(end):06d}", f"{youtube_id}_{plain}_{end:g}"]
    names += [f"{youtube_id}_{begin * 1000}_{int(end) * 1000}", f"{youtube_id}_{start:.3f}_{end:.3f}"]
    return [*names, youtube_id, f"Y{youtube_id}", *(f"Y{name}" for name in names)]


def find_named(files: Mapping[str, MediaPath], names: Iterable[str]) -> MediaPath | None:
    """The file that has the first of the names, or the next ..."""
    return next((files[name] for name in names if name in files), None)


def find_media(
    folder: Path | str, suffixes: Iterable[str] = VIDEO_SUFFIXES | PICTURE_SUFFIXES
) -> dict[str, MediaPath]:
    """Media files by their stem, in a folder, or behind a URL, and in the folders right inside it; or in tars there.

    Hidden files are left alone.

    Raises:
        UsageError: when there is no such folder, or two of its files have one stem, so that they would be one clip.
    """
    return by_id((path.stem, path) for path in list_media(folder, suffixes, depth=1))


def by_id(files: Iterable[tuple[str, MediaPath]]) -> dict[str, MediaPath]:
    """Files by clip id; UsageError when two files have one id, naming both. Two names of one file are one file."""
    found: dict[str, MediaPath] = {}
    for clip_id, path in files:
        other = found.setdefault(clip_id, path)
        if os.path.realpath(str(other)) != os.path.realpath(str(path)):
            raise UsageError(f"{other} and {path} bear the same clip id {clip_id}; rename or remove one")
    return found


def missing_names(clips: Iterable[Clip], files: Mapping[str, MediaPath]) -> str:
    """One line that shows a file's name beside the name that is looked for; empty when some clip has its file."""
    wanted = [clip.clip_id for clip in clips]
    if not wanted or any(clip_id in files for clip_id in wanted):
        return ""
    if not files:
        return f"the folder holds no video, and {wanted[0]}.mp4 is looked for"
    # A file of the same video shows best how the names differ; its id is as long as any other.
    videos = {clip_id.rpartition("_")[0]: clip_id for clip_id in wanted}
    length, names = len(next(iter(videos))), [path.name for path in files.values()]
    parts = ((name, name[begin : begin + length]) for name in names for begin in range(len(name)))
    name, video = next(((name, part) for name, part in parts if part in videos), (names[0], next(iter(videos))))
    clip_id = videos[video]
    return f"no file has the name of a clip: the folder holds {name}, for instance, and {clip_id}.mp4 is looked for"


def hold_out(
    clips: Sequence[Clip], fraction: float, count: int | None, target: str = VALIDATION, salt: str = "held out"
) -> list[Clip]:
    """Move a part of the training split into another one, chosen by a hash of the clips' ids.

    Whether a clip is held out depends on its id alone (with `fraction`), so adding clips later moves none across.

    Args:
        clips: all clips.
        fraction: share to hold out: at least two clips, since metrics compare clips, or all but one.
        count: that many instead of a share.
        target: what the held out clips' split is called.
        salt: of the hash; what is held out by one salt says nothing about what is by another.
    """
    order = {clip.clip_id: _hash(clip.clip_id, salt) for clip in clips if clip.split == TRAIN}
    candidates = sorted(order, key=order.__getitem__)
    if any(clip.split == target for clip in clips) or len(candidates) < 2:
        return list(clips)
    if count is None:
        count = max(2, sum(order[clip_id] < fraction for clip_id in candidates))
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
    """Clip ids of a text file, one a line, without a suffix such as .mp4; UsageError when there are none."""
    lines = (line.strip() for line in read_text(path, "list of ids").splitlines())
    ids = {without_suffix(line) for line in lines if line}
    if not ids:
        raise UsageError(f"list of ids {path} is empty")
    return ids


def without_suffix(name: str) -> str:
    """A clip's id from the name of its file, such as `a_000001.mp4`; ids may hold dots themselves."""
    return name.rsplit(".", 1)[0] if name.lower().endswith(tuple(VIDEO_SUFFIXES)) else name


def checked_id(where: str, clip_id: str) -> str:
    """A clip id that may be the name of a file; UsageError when it may not, naming where it stands."""
    try:
        refuse_unsafe_id(clip_id, ".mp4")
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return clip_id


def ids_hash(clip_ids: Iterable[str]) -> str:
    """Stands for a set of clips, as in a metric card: results with the same one were measured on the same clips."""
    return clips_sha256(sorted(set(clip_ids)))


def _hash(clip_id: str, salt: str = "held out") -> float:
    """A number in [0, 1) that belongs to the id."""
    return int.from_bytes(hashlib.sha256(f"{salt}/{clip_id}".encode()).digest()[:6], "big") / 2**48
