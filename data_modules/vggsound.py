"""VGGSound: the published csv and a folder of clips; its test split with VGGSounder's corrected labels."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from v2a_lightning.data_modules.clips import (
    ID_COLUMNS,
    LABEL_COLUMNS,
    Clip,
    checked_id,
    find_media,
    joined_labels,
    missing_names,
    read_ids,
    vggsound_id,
    without_suffix,
)
from v2a_lightning.data_modules.csv_files import Record, Row, read_records, read_rows
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.errors import UsageError
from v2a_lightning.media import VIDEO_SUFFIXES
from v2a_lightning.progress import say

CSV_FORM = "one clip a line: youtube id, start second, label, split, separated by commas"


class VGGSoundDataModule(EncodedDataModule):
    """Clips named `<youtube id>_<start second as 6 digits>.mp4`, in one folder or in folders by split.

    The csv's test split is the test; a part of its train split is held out for validation.

    Args:
        csv: the published csv without header: youtube id, start second, label, split.
        media: folder of the clips.
        test_ids: text file with the ids of the test clips to use, such as the paper's 15,446; all when not given.
        vggsounder: VGGSounder's csv (`vggsounder.csv`: video_id, label, modality, ...). Test clips get the labels that
            it says are audible instead of VGGSound's one; those that it does not name keep theirs.
        **options: see EncodedDataModule.
    """

    def __init__(
        self, csv: str, media: str, test_ids: str | None = None, vggsounder: str | None = None, **options: Any
    ) -> None:
        super().__init__(media, **options)
        self.csv = str(csv)
        self.test_ids = test_ids
        self.vggsounder = vggsounder

    def find_clips(self) -> list[Clip]:
        """The clips of the csv; of its test split, those on the list when one is given."""
        clips = with_files(read_vggsound_csv(self.csv), self.media)
        test = self.splits.test_split
        if self.test_ids is not None:
            listed = read_ids(self.test_ids)
            clips = [clip for clip in clips if clip.split != test or clip.clip_id in listed]
        labels = {} if self.vggsounder is None else read_vggsounder(self.vggsounder)
        return [
            replace(clip, label=labels.get(clip.clip_id, clip.label)) if clip.split == test else clip for clip in clips
        ]


def read_vggsound_csv(path: Path | str) -> list[Clip]:
    """Read VGGSound's csv: one line `id,start,label,split` per clip, in UTF-8, or UTF-16 with its byte order mark.

    Blank lines, spaces around a column and a header that names the columns are no clips. A clip that is named again is
    marked as a duplicate.

    Raises:
        UsageError: when there is no such file, it is no text, or a line is not of that form (its number is named).
    """
    seen: set[str] = set()
    clips = []
    rows = read_rows(path, CSV_FORM)
    for row in rows[1:] if len(rows) > 1 and _is_header(rows[0]) else rows:
        clip = _clip_of_row(row)
        clips.append(replace(clip, duplicate=clip.clip_id in seen))
        seen.add(clip.clip_id)
    return clips


def read_labels(path: Path | str) -> dict[str, str]:
    """The label of each clip id in VGGSound's csv, or in any csv whose header names an id and a label (or a caption).

    A clip with several lines, as VGGSounder's have, has several labels, separated by `; `. UsageError when the file is
    no such csv.
    """
    header = {name.lower() for name in read_rows(path, CSV_FORM)[0].columns}
    if header & set(ID_COLUMNS) and header & set(LABEL_COLUMNS):
        return _labels(read_records(path, {"id": ID_COLUMNS, "label": LABEL_COLUMNS}))
    return {clip.clip_id: clip.label for clip in read_vggsound_csv(path) if not clip.duplicate}


def read_vggsounder(path: Path | str) -> dict[str, str]:
    """The labels of each clip in VGGSounder's csv: those that are audible, or all where none is."""
    records = read_records(path, {"id": ("video_id",), "label": ("label",), "modality": ("modality",)})
    return _labels(records) | _labels(record for record in records if "A" in record["modality"].upper())


def _labels(records: Iterable[Record]) -> dict[str, str]:
    labels: dict[str, list[str]] = defaultdict(list)
    for record in records:
        labels[without_suffix(record["id"])].append(record["label"])
    return {clip_id: joined_labels(some) for clip_id, some in labels.items()}


def with_files(clips: Sequence[Clip], media: Path | str) -> list[Clip]:
    """Clips with the videos that a folder has for them. A folder with none of them gets a line that shows why."""
    files = find_media(media, VIDEO_SUFFIXES)
    if line := missing_names(clips, files):
        say(f"media {media}: {line}")
    return [replace(clip, path=files.get(clip.clip_id)) for clip in clips]


def _is_header(row: Row) -> bool:
    """Whether a line names VGGSound's four columns, in their order."""
    names = [column.lower() for column in row.columns]
    return len(names) == 4 and bool(re.search("start|second|time", names[1])) and names[3] in ("split", "set", "subset")


def _clip_of_row(row: Row) -> Clip:
    if len(row.columns) != 4:
        other = {"\t": "tabs", ";": "semicolons"}
        found = next((f", and {name}" for mark, name in other.items() if mark in ",".join(row.columns)), "")
        raise UsageError(f"{row.where}: {len(row.columns)} columns where 4 are expected{found} ({CSV_FORM})")
    youtube_id, start, label, split = row.columns
    if not (youtube_id and label and split):
        raise UsageError(f"{row.where}: a column is empty ({CSV_FORM})")
    if not re.fullmatch("[0-9]{1,6}", start):
        most = " of at most six digits" if start.isdigit() else ""
        raise UsageError(f"{row.where}: the start second is a whole number{most}, not {start[:40]!r} ({CSV_FORM})")
    return Clip(checked_id(row.where, vggsound_id(youtube_id, int(start))), label, split)
