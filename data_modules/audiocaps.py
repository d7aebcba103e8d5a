"""AudioCaps: captions of AudioSet's clips."""

from pathlib import Path
from typing import Any

from v2a_lightning.data_modules.clips import (
    LISTED_SPLITS,
    Clip,
    checked_id,
    find_named,
    vggsound_id,
    youtube_names,
)
from v2a_lightning.data_modules.csv_files import read_records
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.errors import UsageError

COLUMNS = {"number": ("audiocap_id",), "id": ("youtube_id",), "start": ("start_time",), "caption": ("caption",)}
SECONDS = 10.0


class AudioCapsDataModule(EncodedDataModule):
    """Ten seconds of YouTube videos with a caption each; of the five captions of a test clip the first is taken.

    Files may have the names of AudioSet's clips (see AudioSetDataModule), or be called by `audiocap_id`.

    Args:
        media: folder of the clips.
        metadata: folder of the published `train.csv`, `val.csv` and `test.csv` (audiocap_id, youtube_id, start_time,
            caption).
        **options: see EncodedDataModule.
    """

    def __init__(self, media: str, metadata: str, **options: Any) -> None:
        super().__init__(media, **options)
        self.metadata = Path(metadata)

    def find_clips(self) -> list[Clip]:
        """The clips of the three lists; `val.csv` is the validation."""
        files = self.media_files()
        clips: dict[str, Clip] = {}
        for name, split in LISTED_SPLITS.items():
            for record in read_records(self.metadata / f"{name}.csv", COLUMNS):
                try:
                    start = float(record["start"])
                except ValueError as error:
                    raise UsageError(f"{record.where}: start_time is a number, not {record['start']!r}") from error
                clip_id = checked_id(record.where, vggsound_id(record["id"], int(start)))
                names = [*youtube_names(record["id"], start, start + SECONDS), record["number"]]
                clips.setdefault(clip_id, Clip(clip_id, record["caption"], split, find_named(files, names)))
        return list(clips.values())
