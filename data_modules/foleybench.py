"""FoleyBench: 5,000 clips whose sound is made by what is seen, for evaluation only."""

from pathlib import Path
from typing import Any

from v2a_lightning.data_modules.clips import ID_COLUMNS, TEST, Clip, checked_id, without_suffix
from v2a_lightning.data_modules.csv_files import TABLE_SUFFIXES, read_records
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.errors import UsageError

COLUMNS = {
    "category": ("ucs_category", "ucs category", "ucs", "audioset_category", "audioset category", "category", "label"),
    "caption": ("caption", "text", "description"),
}


class FoleyBenchDataModule(EncodedDataModule):
    """A table of clips and a folder of videos named by their ids; all of them are the test.

    The data set is on the Hub as `FoleyBench/foleybench`, behind an agreement, under CC BY-NC-SA. Its files were not
    seen: the paper says that each clip has a caption, a UCS and an AudioSet category, and the table's columns are
    looked for by these names.

    Args:
        media: folder of the videos.
        metadata: the table (csv, tsv or Parquet); the only one in `media` or in the folder above when not given.
        label: what the clips' labels are: their category, or their caption.
        **options: see EncodedDataModule.
    """

    def __init__(self, media: str, metadata: str | None = None, label: str = "category", **options: Any) -> None:
        super().__init__(media, **options)
        if label not in COLUMNS:
            raise UsageError(f"data.label is category or caption, not {label}")
        self.metadata = metadata
        self.label = label

    def find_clips(self) -> list[Clip]:
        """The clips of the table."""
        files = self.media_files()
        clips: dict[str, Clip] = {}
        for record in read_records(self._table(), {"id": ID_COLUMNS, "label": COLUMNS[self.label]}):
            clip_id = checked_id(record.where, Path(without_suffix(record["id"])).name)
            clips.setdefault(clip_id, Clip(clip_id, record["label"], TEST, files.get(clip_id)))
        return list(clips.values())

    def _table(self) -> Path:
        if self.metadata is not None:
            return Path(self.metadata)
        places = (Path(self.media), Path(self.media).parent)
        found = [path for place in places for path in sorted(place.iterdir()) if path.suffix in TABLE_SUFFIXES]
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise UsageError(f"data.media {self.media}: one table is looked for, and there are: {names}; give metadata")
        return found[0]
