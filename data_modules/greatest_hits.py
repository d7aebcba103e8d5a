"""The Greatest Hits: a drumstick that hits and scratches things."""

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from v2a_lightning.data_modules.clips import LISTED_SPLITS, VALIDATION, Clip, find_named, joined_labels, read_ids
from v2a_lightning.data_modules.csv_files import read_text
from v2a_lightning.data_modules.media_data_module import EncodedDataModule
from v2a_lightning.errors import UsageError
from v2a_lightning.media import RemoteFile


class GreatestHitsDataModule(EncodedDataModule):
    """Videos `<id>_denoised.mp4` and `<id>_mic.mp4` with `<id>_times.txt` beside them, as in `vis-data`.

    A line of `<id>_times.txt` is `<second> <material> <action> <reaction>`; a clip's label is made of the actions and
    materials of the seconds that are embedded, such as `hit wood; scratch metal`, the most frequent first. The first
    seconds of each video are one clip. Layout and columns are those that public loaders read; the data itself was not
    seen.

    Args:
        media: folder of the videos, such as `vis-data` or `vis-data-256` (`<id>_denoised_thumb.mp4`).
        lists: folder of `train.txt`, `test.txt` and, if there is one, `val.txt`, an id a line; `media` when not given.
        sound: the denoised sound, or the microphone's.
        **options: see EncodedDataModule.
    """

    def __init__(
        self, media: str, lists: str | None = None, sound: Literal["denoised", "mic"] = "denoised", **options: Any
    ) -> None:
        super().__init__(media, **options)
        self.lists = Path(media if lists is None else lists)
        self.sound = sound

    def find_clips(self) -> list[Clip]:
        """The videos of the lists."""
        files = self.media_files()
        clips = []
        for name, split in LISTED_SPLITS.items():
            path = self.lists / f"{name}.txt"
            if split == VALIDATION and not path.is_file():
                continue
            for video in sorted(read_ids(path)):
                found = find_named(files, [f"{video}_{self.sound}", f"{video}_{self.sound}_thumb", video])
                if isinstance(found, RemoteFile):
                    raise UsageError(f"data.media {self.media}: its times stand beside the videos; give a local folder")
                label = "" if found is None else self._label(found.parent / f"{video}_times.txt")
                clips.append(Clip(video, label, split, found))
        return clips

    def _label(self, path: Path) -> str:
        """Actions and materials of the seconds that are embedded; those of the whole video where there are none."""
        hits: list[tuple[float, str]] = []
        for number, line in enumerate(read_text(path, "times").splitlines(), 1):
            columns = line.split()
            if len(columns) < 3:
                continue
            try:
                second = float(columns[0])
            except ValueError as error:
                raise UsageError(f"times {path}, line {number}: {columns[0]!r} is no second") from error
            hits.append((second, " ".join(word for word in (columns[2], columns[1]) if word != "None")))
        seconds = self.encoders.frames.duration
        inside = [text for second, text in hits if second < seconds] or [text for _, text in hits]
        return joined_labels(text for text, _ in Counter(inside).most_common())
