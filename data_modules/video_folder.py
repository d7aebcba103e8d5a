"""A folder of one's own videos, with or without a table that describes them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from v2a_lightning.data_modules.clips import (
    ID_COLUMNS,
    LABEL_COLUMNS,
    LISTED_SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    Clip,
    by_id,
    checked_id,
    hold_out,
    without_suffix,
)
from v2a_lightning.data_modules.csv_files import read_records
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.data_modules.media_files import list_media, parts_inside
from v2a_lightning.errors import UsageError
from v2a_lightning.media import VIDEO_SUFFIXES, MediaPath

SPLIT_NAMES = {**LISTED_SPLITS, "training": TRAIN, "valid": VALIDATION, VALIDATION: VALIDATION}
SPLIT_NAMES |= {"eval": TEST, "testing": TEST}
NO_LABEL = "video"


class VideoFolderDataModule(EncodedDataModule):
    """Videos of any names. Without a csv the folder right above a video is its label: `dog/1.mp4`, `test/dog/1.mp4`.

    A first folder called train, val or test is the split; where nothing names a split, a share of the clips is the
    test, chosen by a hash of their ids. An id is a file's name with the folders before it: `test_dog_1`.

    Args:
        media: folder of the videos.
        csv: table (csv, tsv or Parquet) with a header: a column of file names or ids (`file`, `id`, `clip_id`,
            `video_id`, ...), and, if wanted, `label` (or `caption`, ...) and `split`. Only its videos are used.
        test_fraction: share of the clips that is the test where no split is named.
        **options: see EncodedDataModule.
    """

    def __init__(self, media: str, csv: str | None = None, test_fraction: float = 0.1, **options: Any) -> None:
        super().__init__(media, **options)
        if not 0 <= test_fraction < 1:
            raise UsageError(f"data.test_fraction is at least 0 and below 1, not {test_fraction}")
        self.csv = csv
        self.test_fraction = test_fraction

    def find_clips(self) -> list[Clip]:
        """The folder's videos, or those that the csv names."""
        clips = [self._clip(path) for path in list_media(self.media, VIDEO_SUFFIXES, depth=None)]
        if not clips:
            raise UsageError(f"data.media {self.media}: no video in it")
        by_id((clip.clip_id, clip.path) for clip in clips if clip.path)
        if self.csv is not None:
            clips = self._described(self.csv, clips)
        if self.test_fraction == 0 or any(clip.split == TEST for clip in clips):
            return clips
        return hold_out(clips, self.test_fraction, None, target=TEST, salt="test")

    def _clip(self, path: MediaPath) -> Clip:
        *folders, name = parts_inside(path, self.media)
        split = SPLIT_NAMES.get(folders[0].lower()) if folders else None
        labels = folders[1:] if split else folders
        clip_id = "_".join([*folders, Path(name).stem])
        return Clip(clip_id, labels[-1] if labels else NO_LABEL, split or TRAIN, path)

    def _described(self, csv: str, clips: list[Clip]) -> list[Clip]:
        """The clips that a table names, by path, by file name or by id, with its labels and splits."""
        known = {clip.clip_id: clip for clip in clips}
        # A name that two folders hold says nothing without its folder.
        counts = Counter(clip.path.stem for clip in clips if clip.path)
        stems = {clip.path.stem: clip for clip in clips if clip.path and counts[clip.path.stem] == 1}
        columns = {"id": ID_COLUMNS, "label": LABEL_COLUMNS, "split": ("split", "set", "subset")}
        described: dict[str, Clip] = {}
        for record in read_records(csv, columns, optional=("label", "split")):
            name = without_suffix(record["id"])
            clip_id = checked_id(record.where, "_".join(Path(name).parts))
            found = known.get(clip_id) or stems.get(name) or Clip(clip_id, NO_LABEL, TRAIN)
            split = SPLIT_NAMES.get(record["split"].lower(), record["split"]) or found.split
            described.setdefault(found.clip_id, replace(found, label=record["label"] or found.label, split=split))
        return list(described.values())
