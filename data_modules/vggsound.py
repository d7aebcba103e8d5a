"""VGGSound: the published csv and a folder of clips."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from v2a_lightning.data_modules.clips import Clip, find_media, missing_names, read_ids, read_vggsound_csv
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
        **options: see EncodedDataModule.
    """

    def __init__(self, csv: str, media: str, test_ids: str | None = None, **options: Any) -> None:
        super().__init__(media, **options)
        self.csv = str(csv)
        self.test_ids = test_ids

    def find_clips(self) -> list[Clip]:
        """The clips of the csv; of its test split, those on the list when one is given.

        Raises:
            UsageError: when the csv, the folder or the list cannot be read, or two files have one clip's name.
        """
        clips = with_files(read_vggsound_csv(self.csv), self.media)
        if self.test_ids is None:
            return clips
        listed = read_ids(self.test_ids)
        return [clip for clip in clips if clip.split != self.splits.test_split or clip.clip_id in listed]


def with_files(clips: Iterable[Clip], media: Path | str) -> list[Clip]:
    """Clips with the videos that a folder has for them. A folder with none of them gets a line that shows why.

    Raises:
        UsageError: when there is no such folder, or two of its files have one stem.
    """
    clips = list(clips)
    files = find_media(media, VIDEO_SUFFIXES)
    if line := missing_names(clips, files):
        say(f"media {media}: {line}")
    return [replace(clip, path=files.get(clip.clip_id)) for clip in clips]
