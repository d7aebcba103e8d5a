"""Data modules that start from media files: cached in an embedding store, or encoded for every batch."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch.utils.data import Dataset

from v2a_lightning.data_modules.clip_data_module import ClipDataModule
from v2a_lightning.data_modules.clips import Clip, Reject, Splits, find_media
from v2a_lightning.data_modules.compacted import compact, is_compacted
from v2a_lightning.data_modules.encoders import Encoders
from v2a_lightning.data_modules.extraction import Decoding, Engine, Extraction, embed_here
from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.data_modules.locking import StoreLock
from v2a_lightning.data_modules.manifest import (
    ManifestRow,
    inspect_clips,
    manifest_bytes,
    read_manifest,
    unusable_files,
)
from v2a_lightning.data_modules.on_the_fly import DecodedDataset, embed_batch
from v2a_lightning.data_modules.shares import Share
from v2a_lightning.data_modules.store import EmbeddingStore, Precision
from v2a_lightning.data_modules.table import Batch, EmbeddingDataset, load_table
from v2a_lightning.encoders import ClapEncoder, ClipEncoder, Encoder, EncoderSet
from v2a_lightning.errors import UsageError
from v2a_lightning.media import MediaPath
from v2a_lightning.media.remote import is_packed
from v2a_lightning.ranks import shared_cores
from v2a_lightning.specs import AudioSpec, FrameSpec
from v2a_lightning.widths import Widths

Mode = Literal["cached", "on_the_fly"]


class EncodedDataModule(ClipDataModule):
    """Media files and the frozen encoders that embed them. A data set of one's own is a subclass with `find_clips`.

    In mode `cached` the encoders run once: `prepare_data` embeds the clips that the store does not have. In mode
    `on_the_fly` every batch is decoded and encoded anew on its device, and `prepare_data` only finds out which clips
    can be used. Clips that cannot be used are counted, and listed with their reasons in the store's `rejects.csv`.

    Args:
        media: folder of the clips, or of tars with clips in them; one of these may be behind an fsspec URL.
        store: folder or fsspec URL of the embedding store; beside `media`, with `-embeddings` behind its name, when not
            given.
        encoder: embeds frames; the miniature's when not given.
        clap: embeds sound; the miniature's when not given.
        frames: which frames are embedded.
        audio: which sound is embedded.
        batch_size: clips in a batch, over all devices and nodes.
        seed: of the order of training.
        mode: `cached` or `on_the_fly`.
        manifest: a file that `python -m v2a_lightning manifest` wrote; its rejected clips are not even opened.
        precision: in which embeddings are stored.
        splits: which clips train, which are held out and which are tested.
        decoding: how clips are decoded.
    """

    audible: ClassVar[bool] = True
    """Whether the clips of this data set have a sound."""

    def __init__(
        self,
        media: str,
        store: str | None = None,
        encoder: ClipEncoder | Encoder | EncoderSet | None = None,
        clap: ClapEncoder | None = None,
        frames: FrameSpec = FrameSpec(),  # noqa: B008
        audio: AudioSpec = AudioSpec(),  # noqa: B008
        batch_size: int = 64,
        seed: int = 0,
        mode: Mode = "cached",
        manifest: str | None = None,
        precision: Precision = "float16",
        splits: Splits = Splits(),  # noqa: B008
        decoding: Decoding = Decoding(),  # noqa: B008
    ) -> None:
        super().__init__(audio if self.audible else None, batch_size, seed, splits)
        if mode not in ("cached", "on_the_fly"):
            raise UsageError(f"data.mode is cached or on_the_fly, not {mode}")
        sound = (clap or ClapEncoder()) if self.audible else None
        self.encoders = Encoders(encoder or ClipEncoder(), sound, frames, self.audio)
        self.media = str(media)
        self.store_url = f"{self.media.rstrip('/')}-embeddings" if store is None else str(store)
        self.precision: Precision = precision
        self.mode = mode
        self.manifest = manifest
        self.decoding = decoding
        self.loading_processes = decoding.workers if mode == "on_the_fly" else 0

    @abstractmethod
    def find_clips(self) -> list[Clip]:
        """Every clip the data set names, with its file if there is one: see `media_files`."""

    def media_files(self) -> dict[str, MediaPath]:
        """Videos and pictures by their names without suffix, in `media` and in the folders right inside it."""
        return find_media(self.media)

    @property
    def widths(self) -> Widths:
        """Of frame embeddings and targets."""
        return self.encoders.widths()

    @property
    def store(self) -> EmbeddingStore:
        """The embedding store."""
        return EmbeddingStore(self.store_url, self.precision)

    def extraction(self) -> Extraction:
        """What has to be embedded for this data."""
        clips = [clip for clip in self.candidates if clip.clip_id not in self._rejected_by_manifest]
        return Extraction(self.store, self.encoders, clips, self.decoding)

    def prepare_media(self) -> None:
        """Make the media files where they can be made; here they are there or not."""

    def prepare_data(self) -> None:
        """Embed, or inspect, the clips for which that has not been done."""
        if self.mode == "on_the_fly":
            self.prepare_media()
            self._inspect()
            return
        self.embed(self.trainer.strategy.root_device if self.trainer else "cpu")
        self.encoders.to("cpu")
        # What came later would else make the compacted form one of other shards.
        if is_compacted(self.store, self.encoders.spec()):
            self.compact()

    def compact(self) -> None:
        """Write the store in compacted form beside its shards, once every process has written its share."""
        compact(self.store, self.encoders.spec())

    def embed(
        self,
        device: torch.device | str = "cpu",
        rank: int = 0,
        ranks: int = 1,
        barrier: Callable[[], object] = lambda: None,
        add_encoder: bool = False,
        shard: Share | None = None,
        engine: Engine = embed_here,
    ) -> None:
        """Embed this process's share of the clips that the store lacks, with a progress bar.

        One job at a time writes to a store; a second one waits. Whatever ends the work, what was done is written.

        Args:
            device: where the encoders run.
            rank: this process.
            ranks: how many processes share the work.
            barrier: waits for the other processes.
            add_encoder: put embeddings of these encoders beside those of others that the store may hold, which else
                is a UsageError.
            shard: only this part of the clips, beside jobs that embed the others.
            engine: runs the stages of extraction.
        """
        share = (shard or Share()).part(rank, ranks)
        lock = StoreLock(self.store.folder, shard)
        try:
            is_done = rank == 0 and self._prepare_store(lock, share, add_encoder)
            barrier()
            decoding = replace(self.decoding, num_workers=self._shared_workers())
            if not is_done:
                lock.share()
                self.encoders.to(device)
                engine(replace(self.extraction(), decoding=decoding), share)
        finally:
            lock.release()
        # Every process lists the rejects when it is done, so the last one lists them all.
        self.invalidate_usable_clips()
        self.store.write_rejects_csv(self.rejects)

    def _prepare_store(self, lock: StoreLock, share: Share, add_encoder: bool) -> bool:
        """Take the store for this job and mend it; True when there is nothing to embed, which needs no lock."""
        self.prepare_media()
        extraction = self.extraction()
        # Most runs find everything done, and need not wait for whoever writes for another data set.
        is_done = share.count == 1 and not (self.store.has_lost_shards or extraction.pending())
        if not is_done and lock.take():
            self.store.mend()
        if not add_encoder:
            self.store.refuse_others(self.encoders.spec())
        extraction.refuse_other_files()
        return is_done

    @cached_property
    def unusable(self) -> dict[str, Reject]:
        """Clips that were decoded once and rejected, or that the manifest rejects."""
        if self.mode == "on_the_fly":
            return unusable_files(self._inspected())
        wanted, found = {clip.clip_id for clip in self.candidates}, self.store.rejects(self.encoders.spec())
        return self._rejected_by_manifest | {key: one for key, one in found.items() if key in wanted}

    @property
    def left_out(self) -> list[Reject]:
        """The clips that have a file which was tried and cannot be used; those of the manifest were not tried."""
        return [reject for key, reject in self.unusable.items() if key not in self._rejected_by_manifest]

    def datasets(self, splits: Mapping[str, Sequence[Clip]]) -> dict[str, Dataset[Batch]]:
        """Clips from the store, or decoded on the fly."""
        if self.mode == "on_the_fly":
            if any(is_packed(clip.path) for clip in self.usable_clips):
                raise UsageError(f"data.mode on_the_fly: data.media {self.media} has compressed tars; unpack them")
            self.loading_processes = self._shared_workers()
            return {split: DecodedDataset(clips, self.extraction()) for split, clips in splits.items()}
        self.store.refuse_others(self.encoders.spec())
        clips = [clip for some in splits.values() for clip in some]
        table = load_table(self.store, self.encoders.spec(), [clip.clip_id for clip in clips]).described_by(clips)
        return {split: EmbeddingDataset(table, table.rows(some)) for split, some in splits.items()}

    def _shared_workers(self) -> int:
        """Decoding processes of this process, which every process of a group has to ask for."""
        return shared_cores() if self.decoding.num_workers is None else self.decoding.workers

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Waveforms stay on the CPU, where the audio encoder prepares them."""
        waveforms = {key: batch.pop(key) for key in ("waves",) if key in batch}
        return {**super().transfer_batch_to_device(batch, device, dataloader_idx), **waveforms}

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Encode a batch that was decoded on the fly."""
        is_raw = "raw_frames" in batch or "failure" in batch
        return embed_batch(batch, self.encoders) if is_raw else batch

    @cached_property
    def _rejected_by_manifest(self) -> dict[str, Reject]:
        return {} if self.manifest is None else unusable_files(read_manifest(self.manifest))

    def _inspected(self) -> list[ManifestRow]:
        """The rows of the manifest: the one given, or the one made by `prepare_data`."""
        if self.manifest is None and self._manifest_name not in Folder(self.store_url).names():
            return []
        return read_manifest(self.manifest or f"{self.store_url}/{self._manifest_name}")

    @property
    def _manifest_name(self) -> str:
        return f"manifest-{self.encoders.spec().content}.parquet"

    def _inspect(self) -> None:
        """Inspect the clips for which that has not been done."""
        if self.manifest is None:
            known, clips = self._inspected(), self.candidates
            rows = inspect_clips(clips, self.encoders.frames, self.encoders.audio, self.decoding, known)
            inspected = {clip.clip_id for clip in clips}
            rows += [row for row in known if row.clip_id not in inspected]
            if set(rows) != set(known):
                Folder(self.store_url).write(self._manifest_name, manifest_bytes(rows))
        self.invalidate_usable_clips()
