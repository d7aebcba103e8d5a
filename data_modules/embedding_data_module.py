"""A finished embedding store: no csv, no media and no encoder is needed to train from it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from torch.utils.data import Dataset

from v2a_lightning.data_modules.clip_data_module import ClipDataModule
from v2a_lightning.data_modules.clips import Clip, Reject, Splits, find_media, read_ids
from v2a_lightning.data_modules.media_files import media_path
from v2a_lightning.data_modules.store import EmbeddingStore
from v2a_lightning.data_modules.table import Batch, EmbeddingDataset, EmbeddingTable, load_table, widths_of
from v2a_lightning.data_modules.towers import StoreSpec
from v2a_lightning.encoders.base import SOLE
from v2a_lightning.media import MediaPath
from v2a_lightning.specs import AudioSpec
from v2a_lightning.widths import Widths

# Where a clip keeps its path.
PATH_SLOT: Any = vars(Clip)["path"]


class StoredClip(Clip):
    """A clip whose path is made of its text when it is wanted: a million of them take ten seconds."""

    __slots__ = ()
    has_file = True

    @property
    def path(self) -> MediaPath:
        """Its file when it was embedded."""
        return media_path(str(PATH_SLOT.__get__(self)))

    @path.setter
    def path(self, path: Any) -> None:
        PATH_SLOT.__set__(self, path)


class EmbeddingDataModule(ClipDataModule):
    """Clips of a store that `python -m v2a_lightning embed` or an earlier run has made.

    Args:
        store: folder or fsspec URL of the store.
        media: folder or URL of the clips; when not given, their files are where they were when they were embedded.
        test_ids: text file with the ids of the test clips to use; all when not given.
        batch_size: clips in a batch, over all devices and nodes.
        seed: of the order of training.
        encoder: of a store with several, the name of one, such as `clip:miniature`, or names by the keys that the
            frames of each are to have in batches.
        splits: which clips train, which are held out and which are tested.
    """

    def __init__(
        self,
        store: str,
        media: str | None = None,
        test_ids: str | None = None,
        batch_size: int = 64,
        seed: int = 0,
        encoder: str | dict[str, str] | None = None,
        splits: Splits = Splits(),  # noqa: B008
    ) -> None:
        super().__init__(None, batch_size, seed, splits)
        self.store_url = str(store)
        self.media = media
        self.encoder = {SOLE: encoder} if isinstance(encoder, str) else encoder
        self.test_ids = test_ids

    @cached_property
    def spec(self) -> StoreSpec:
        """Which embeddings the store holds; UsageError when it is no store, or holds those of several encoders."""
        return EmbeddingStore(self.store_url).only_spec(self.encoder)

    @property
    def widths(self) -> Widths:
        """Of the store's embeddings."""
        return widths_of(EmbeddingStore(self.store_url), self.spec)

    @property
    def has_audio(self) -> bool:
        """Whether the store has embeddings of sound."""
        return self.spec.audio is not None

    def setup(self, stage: str) -> None:
        """Load the store."""
        if self.spec.audio is not None:
            rate, seconds = re.fullmatch(r"audio-(\d+)hz-([\d.e+-]+)s", self.spec.audio.spec).groups()  # type: ignore[union-attr]
            self.audio = AudioSpec(int(rate), float(seconds))
        super().setup(stage)

    def find_clips(self) -> list[Clip]:
        """Every clip of the store; of its test split, those on the list when one is given."""
        table = self._table
        make: Callable[..., Clip] = StoredClip
        clips = list(map(make, table.clip_ids, table.labels, table.splits, table.paths))
        if self.media is not None:
            files = find_media(self.media)
            clips = [replace(clip, path=files.get(clip.clip_id, clip.path)) for clip in clips]
        if self.test_ids is None:
            return clips
        listed = read_ids(self.test_ids)
        return [clip for clip in clips if clip.split != self.splits.test_split or clip.clip_id in listed]

    @cached_property
    def unusable(self) -> dict[str, Reject]:
        """What was rejected when the store was made; none of it is among its clips."""
        return EmbeddingStore(self.store_url).rejects(self.spec, self._table.clip_ids)

    def datasets(self, splits: Mapping[str, Sequence[Clip]]) -> dict[str, Dataset[Batch]]:
        """Rows of the one table."""
        return {split: EmbeddingDataset(self._table, self._table.rows(clips)) for split, clips in splits.items()}

    @cached_property
    def _table(self) -> EmbeddingTable:
        return load_table(EmbeddingStore(self.store_url), self.spec)
