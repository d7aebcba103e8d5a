"""AudioSet: Google's lists of segments and the folder of clips that one has of them."""

from pathlib import Path
from typing import Any

from v2a_lightning.data_modules.clips import (
    TEST,
    TRAIN,
    Clip,
    checked_id,
    find_named,
    joined_labels,
    vggsound_id,
    youtube_names,
)
from v2a_lightning.data_modules.csv_files import Row, read_records, read_rows
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.errors import UsageError

FORM = 'YTID, start_seconds, end_seconds, "positive_labels"'
NAMES_FILE = "class_labels_indices.csv"


class AudioSetDataModule(EncodedDataModule):
    """Parts of YouTube videos, each with several of 527 labels, which are joined by `; `.

    The published lists name segments and hold no media; files may have any of the names that downloaders give them:
    `<ytid>_<start>` with the second plain, as 6 digits, with decimals or in milliseconds, with or without the end,
    `<ytid>` alone, and each of these behind a `Y`. Ids are `<ytid>_<start second as 6 digits>`, as VGGSound's.

    Args:
        media: folder of the clips.
        metadata: folder of `balanced_train_segments.csv`, `unbalanced_train_segments.csv`, `eval_segments.csv` and
            `class_labels_indices.csv`, as published.
        unbalanced: train on the unbalanced segments too.
        **options: see EncodedDataModule.
    """

    def __init__(self, media: str, metadata: str, unbalanced: bool = False, **options: Any) -> None:
        super().__init__(media, **options)
        self.metadata = Path(metadata)
        self.unbalanced = unbalanced

    def find_clips(self) -> list[Clip]:
        """The segments of the lists; evaluation segments are the test."""
        columns = {"mid": ("mid",), "name": ("display_name",)}
        names = {one["mid"]: one["name"] for one in read_records(self.metadata / NAMES_FILE, columns)}
        parts = ["balanced_train", *(["unbalanced_train"] if self.unbalanced else []), "eval"]
        files = self.media_files()
        clips: list[Clip] = []
        ids: set[str] = set()
        for part in parts:
            for row in read_rows(self.metadata / f"{part}_segments.csv", FORM, comment="#"):
                youtube_id, start, end, labels = _segment(row)
                label = joined_labels(names.get(label.strip(), label.strip()) for label in labels.split(","))
                clip_id = checked_id(row.where, vggsound_id(youtube_id, int(start)))
                path = find_named(files, youtube_names(youtube_id, start, end))
                clips.append(Clip(clip_id, label, TEST if part == "eval" else TRAIN, path, clip_id in ids))
                ids.add(clip_id)
        return clips


def _segment(row: Row) -> tuple[str, float, float, str]:
    try:
        youtube_id, start, end, labels = row.columns
        return youtube_id, float(start), float(end), labels
    except ValueError as error:
        raise UsageError(f"{row.where}: expected {FORM}") from error
