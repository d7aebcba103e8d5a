"""VGGSound: the published csv and a folder of clips; its test split with VGGSounder's corrected labels."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from v2a_lightning.data_modules.clips import (
    Clip,
    find_media,
    joined_labels,
    missing_names,
    read_ids,
    read_vggsound_csv,
)
from v2a_lightning.data_modules.csv_files import read_records
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.data_modules.progress import say
from v2a_lightning.media import VIDEO_SUFFIXES


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
        """The clips of the csv; of its test split, those on the list when one is given.

        Raises:
            UsageError: when the csv, the folder or the list cannot be read, or two files have one clip's name.
        """
        clips = with_files(read_vggsound_csv(self.csv), self.media)
        test = self.splits.test_split
        if self.test_ids is not None:
            listed = read_ids(self.test_ids)
            clips = [clip for clip in clips if clip.split != test or clip.clip_id in listed]
        if self.vggsounder is None:
            return clips
        labels = read_vggsounder(self.vggsounder)
        return [
            replace(clip, label=labels.get(clip.clip_id, clip.label)) if clip.split == test else clip for clip in clips
        ]


def read_vggsounder(path: Path | str) -> dict[str, str]:
    """The labels of each clip in VGGSounder's csv: those that are audible, or all where none is.

    Raises:
        UsageError: when the file is no such csv.
    """
    columns = {"id": ("video_id",), "label": ("label",), "modality": ("modality",)}
    audible: dict[str, list[str]] = defaultdict(list)
    every: dict[str, list[str]] = defaultdict(list)
    for record in read_records(path, columns):
        every[record["id"]].append(record["label"])
        if "A" in record["modality"].upper():
            audible[record["id"]].append(record["label"])
    return {clip_id: joined_labels(audible[clip_id] or labels) for clip_id, labels in every.items()}


def with_files(clips: Sequence[Clip], media: Path | str) -> list[Clip]:
    """Clips with the videos that a folder has for them. A folder with none of them gets a line that shows why.

    Raises:
        UsageError: when there is no such folder, or two of its files have one stem.
    """
    files = find_media(media, VIDEO_SUFFIXES)
    if line := missing_names(clips, files):
        say(f"media {media}: {line}")
    return [replace(clip, path=files.get(clip.clip_id)) for clip in clips]
