"""Which clips there are: VGGSound's csv, the files of a folder, and which of them are held out."""

import codecs
import csv
import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.cards import clips_sha256
from v2a_lightning.files import refuse_unsafe_id
from v2a_lightning.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES

TRAIN, VALIDATION, TEST = "train", "validation", "test"
CSV_FORM = "one clip a line: youtube id, start second, label, split, separated by commas"
# Of so many files one is looked for whose name shows how names differ.
SHOWN_FROM = 200
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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
    """Read VGGSound's csv: one line `id,start,label,split` per clip, in UTF-8, or UTF-16 with its byte order mark.

    Blank lines, spaces around a column and a header that names the columns are no clips. A clip that is named again is
    marked as a duplicate.

    Raises:
        UsageError: when there is no such file, it is no text, or a line is not of that form (its number is named).
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"csv {path}: there is no such file")
    text = _text(path, "csv")
    seen: set[str] = set()
    clips = []
    lines = list(_csv_lines(path, text))
    for number, columns in lines[1:] if len(lines) > 1 and _is_header(lines[0][1]) else lines:
        clip = _clip_of_line(path, number, columns)
        clips.append(replace(clip, duplicate=clip.clip_id in seen))
        seen.add(clip.clip_id)
    if not clips:
        raise UsageError(f"csv {path} is empty; expected {CSV_FORM}")
    return clips


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


def find_media(folder: Path | str, suffixes: Iterable[str] = VIDEO_SUFFIXES | PICTURE_SUFFIXES) -> dict[str, Path]:
    """Media files by their stem, in a folder and in the folders right inside it. Hidden files are left alone.

    Raises:
        UsageError: when there is no such folder, or two of its files have one stem, so that they would be one clip.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"media {folder}: there is no such folder")
    wanted = frozenset(suffixes)
    try:
        inside = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        names = [(place, name) for place in [folder, *inside] for name in sorted(os.listdir(place)) if name[0] != "."]
    except OSError as error:
        raise UsageError(f"media {error.filename} cannot be listed: {error.strerror}") from error
    return by_id((Path(name).stem, place / name) for place, name in names if Path(name).suffix.lower() in wanted)


def by_id(files: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Files by the clip ids they bear.

    Raises:
        UsageError: when two files bear one id, naming both; two names of one file are one file.
    """
    found: dict[str, Path] = {}
    for clip_id, path in files:
        other = found.setdefault(clip_id, path)
        if os.path.realpath(other) != os.path.realpath(path):
            raise UsageError(f"{other} and {path} bear the same clip id {clip_id}; rename or remove one")
    return found


def names_beside(clips: Iterable[Clip], files: dict[str, Path]) -> str:
    """One line that shows a file's name beside the name that is looked for; empty when some clip has its file."""
    wanted = [clip.clip_id for clip in clips]
    if not wanted or any(clip_id in files for clip_id in wanted):
        return ""
    if not files:
        return f"the folder holds no video, and {wanted[0]}.mp4 is looked for"
    # A file of the same film shows best how the names differ.
    films = {clip_id.rpartition("_")[0]: clip_id for clip_id in wanted}
    names = [path.name for path in files.values()]
    name = next((name for name in names[:SHOWN_FROM] if _film_in(name, films)), names[0])
    clip_id = films.get(_film_in(name, films), wanted[0])
    return f"no file has the name of a clip: the folder holds {name}, for instance, and {clip_id}.mp4 is looked for"


def _film_in(name: str, films: Collection[str]) -> str:
    """The first of the films' ids that is a part of a file's name; empty when none is."""
    lengths = {len(film) for film in films} - {0}
    parts = (name[begin : begin + length] for begin in range(len(name)) for length in lengths)
    return next((part for part in parts if part in films), "")


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
    ids = {line.rsplit(".", 1)[0] if line.lower().endswith(tuple(VIDEO_SUFFIXES)) else line for line in lines if line}
    if not ids:
        raise UsageError(f"list of ids {path} is empty")
    return ids


def ids_hash(clip_ids: Iterable[str]) -> str:
    """Stands for a set of clips, as in a metric card: results with the same one were measured on the same clips."""
    return clips_sha256(sorted(set(clip_ids)))


def _text(path: Path, what: str) -> str:
    """A file's text; a byte order mark, as spreadsheets write it, is no part of the first id."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-16" if content.startswith(UTF_16_MARKS) else "utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{what} {path} is not a readable text file in UTF-8: {error}; save it as UTF-8") from error
    if "\0" in text:
        raise UsageError(f"{what} {path} is not a readable text file in UTF-8: it holds zero bytes; save it as UTF-8")
    return text


def _csv_lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, columns) of every line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for fields in reader:
            columns = [field.strip() for field in fields]
            if any(columns):
                yield reader.line_num, columns
    except csv.Error as error:
        raise UsageError(f"csv {path}, line {reader.line_num}: {error} ({CSV_FORM})") from error


def _is_header(columns: Sequence[str]) -> bool:
    """Whether a line names the four columns, in their order."""
    names = [column.lower() for column in columns]
    return len(names) == 4 and bool(re.search("start|second|time", names[1])) and names[3] in ("split", "set", "subset")


def _clip_of_line(path: Path, number: int, columns: Sequence[str]) -> Clip:
    where = f"csv {path}, line {number}"
    if len(columns) != 4:
        other = {"\t": "tabs", ";": "semicolons"}
        found = next((f", and {name}" for mark, name in other.items() if mark in ",".join(columns)), "")
        raise UsageError(f"{where}: {len(columns)} columns where 4 are expected{found} ({CSV_FORM})")
    youtube_id, start, label, split = columns
    if not (youtube_id and label and split):
        raise UsageError(f"{where}: a column is empty ({CSV_FORM})")
    if not re.fullmatch("[0-9]{1,6}", start):
        most = " of at most six digits" if start.isdigit() else ""
        raise UsageError(f"{where}: the start second is a whole number{most}, not {start[:40]!r} ({CSV_FORM})")
    clip_id = vggsound_id(youtube_id, int(start))
    try:
        refuse_unsafe_id(clip_id, ".mp4")
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return Clip(clip_id, label, split)


def _hash(clip_id: str) -> float:
    """A number in [0, 1) that belongs to the id."""
    return int.from_bytes(hashlib.sha256(f"held out/{clip_id}".encode()).digest()[:6], "big") / 2**48
