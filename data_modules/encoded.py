"""Data modules that start from media files: cached in an embedding store, or encoded for every batch."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from torch.utils.data import Dataset

from v2a_lightning.data_modules.base import ClipDataModule, Mode, default_workers
from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.data_modules.encoders import Encoders
from v2a_lightning.data_modules.extraction import DecodingSettings, Extraction
from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.data_modules.manifest import (
    ManifestRow,
    inspect_clips,
    manifest_bytes,
    read_manifest,
    rows_of_bytes,
    unusable_files,
)
from v2a_lightning.data_modules.on_the_fly import DecodedDataset, embed_batch
from v2a_lightning.data_modules.rejects import Reject
from v2a_lightning.data_modules.store import EmbeddingStore, Precision
from v2a_lightning.data_modules.table import Batch, EmbeddingDataset, load_table
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.media.frames import Backend
from v2a_lightning.specs import AudioSpec, FrameSpec
from v2a_lightning.widths import Widths


class EncodedDataModule(ClipDataModule):
    """Media files and the frozen encoders that look at them.

    In mode `cached` the encoders run once: `prepare_data` embeds the clips that the store does not have. In mode
    `on_the_fly` every batch is decoded and encoded anew on its device, and `prepare_data` only finds out which clips
    can be used.

    Args:
        store: folder or fsspec URL of the embedding store (on the fly: of the manifest).
        clip: sees frames.
        clap: hears waves; None for clips without sound.
        frames: which frames are looked at.
        audio: which sound is listened to; None with clap.
        mode: `cached` or `on_the_fly`.
        num_workers: decoding processes; by default one for each processor.
        timeout: seconds that decoding one clip may take.
        keep_still: use clips whose picture never changes.
        manifest: a file that `python -m v2a_lightning manifest` wrote; its rejected clips are not even opened.
        precision: in which embeddings are stored.
        encoder_batch_size: clips that go through a process's encoders together.
        backend: the picture decoder.
        **splits: see ClipDataModule.
    """

    def __init__(
        self,
        store: str,
        clip: ClipEncoder,
        clap: ClapEncoder | None,
        frames: FrameSpec,
        audio: AudioSpec | None,
        mode: Mode,
        num_workers: int | None,
        timeout: float,
        keep_still: bool,
        manifest: str | None,
        precision: Precision,
        encoder_batch_size: int,
        backend: Backend,
        **splits: Any,
    ) -> None:
        super().__init__(audio, **splits)
        if mode not in ("cached", "on_the_fly"):
            raise UsageError(f"data.mode is cached or on_the_fly, not {mode}")
        self.encoders = Encoders(clip, clap, frames, audio)
        self.store_url = str(store)
        self.precision: Precision = precision
        self.mode = mode
        self.num_workers = num_workers
        self.manifest = manifest
        workers = default_workers() if num_workers is None else max(1, num_workers)
        self.decoding = DecodingSettings(workers, timeout, encoder_batch_size, keep_still, backend)

    @property
    def widths(self) -> Widths:
        """Of frame embeddings and targets."""
        return self.encoders.widths()

    @property
    def store(self) -> EmbeddingStore:
        """The embedding store."""
        return EmbeddingStore(self.store_url, self.precision)

    @property
    def loading_processes(self) -> int:
        """Processes that decode batches on the fly; gathering from memory needs none."""
        return self.decoding.workers if self.mode == "on_the_fly" else 0

    def extraction(self) -> Extraction:
        """What has to be embedded for this data."""
        listed = self._rejected_by_manifest
        clips = [clip for clip in self.candidates if clip.clip_id not in listed]
        return Extraction(self.store, self.encoders, clips, self.decoding)

    def prepare_media(self) -> None:
        """Make the media files where they can be made; here they are there or not."""

    def prepare_data(self) -> None:
        """Embed, or inspect, the clips for which that has not been done."""
        self.prepare_media()
        if self.mode == "on_the_fly":
            self._inspect()
            return
        device = self.trainer.strategy.root_device if self.trainer else "cpu"
        self.encoders.to(device)
        self.extraction().run()
        self.encoders.to("cpu")
        self.forget_what_was_found()
        self.store.write_rejects_csv(self.rejects)

    def unusable(self) -> dict[str, Reject]:
        """Clips that were decoded once and rejected, or that the manifest rejects."""
        if self.mode == "on_the_fly":
            return unusable_files(self._inspected())
        wanted = {clip.clip_id for clip in self.candidates}
        found = self.store.rejects(self.encoders.spec())
        return {**self._rejected_by_manifest, **{key: one for key, one in found.items() if key in wanted}}

    @property
    def left_out(self) -> list[Reject]:
        """The clips that have a file which was tried and cannot be used; those of the manifest were not tried."""
        return [reject for key, reject in self.unusable().items() if key not in self._rejected_by_manifest]

    def datasets(self, splits: Mapping[str, Sequence[Clip]]) -> dict[str, Dataset[Batch]]:
        """Clips from the store, or decoded on the fly."""
        if self.mode == "on_the_fly":
            return {split: self._decoded(clips) for split, clips in splits.items()}
        self.store.refuse_others(self.encoders.spec())
        table = load_table(
            self.store, self.encoders.spec(), [clip.clip_id for clips in splits.values() for clip in clips]
        )
        return {
            split: EmbeddingDataset(table.described_by(clips), table.rows(clips)) for split, clips in splits.items()
        }

    def _decoded(self, clips: Sequence[Clip]) -> Dataset[Batch]:
        extraction, size = self.extraction(), self.encoders.picture_size()
        requests = [extraction.request(clip, True, True, size) for clip in clips]
        return DecodedDataset(clips, requests, self.decoding.timeout)

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Waves stay on the CPU, where the audio encoder prepares them."""
        waves = batch.pop("waves", None)
        batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return batch if waves is None else {**batch, "waves": waves}

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Encode a batch that was decoded on the fly."""
        is_raw = "raw_frames" in batch or "failure" in batch
        return embed_batch(batch, self.encoders) if is_raw else batch

    @cached_property
    def _rejected_by_manifest(self) -> dict[str, Reject]:
        if self.manifest is None:
            return {}
        return unusable_files(read_manifest(self.manifest))

    def _inspected(self) -> list[ManifestRow]:
        """The rows of the manifest: the one given, or the one made by `prepare_data`."""
        if self.manifest is not None:
            return read_manifest(self.manifest)
        folder = Folder(self.store_url)
        if self._manifest_name not in folder.names():
            return []
        return rows_of_bytes(folder.read(self._manifest_name), f"{folder.url}/{self._manifest_name}")

    @property
    def _manifest_name(self) -> str:
        return f"manifest-{self.encoders.spec().content}.parquet"

    def _inspect(self) -> None:
        """Look at the clips that the manifest does not have yet."""
        known = self._inspected()
        looked_at = {(row.clip_id, row.path) for row in known}
        new = [clip for clip in self.candidates if (clip.clip_id, str(clip.path)) not in looked_at]
        if new and self.manifest is None:
            again = {clip.clip_id for clip in new}
            known = [row for row in known if row.clip_id not in again]
            rows = known + inspect_clips(new, self.encoders.frames, self.encoders.audio, self.decoding)
            Folder(self.store_url).write(self._manifest_name, manifest_bytes(rows))
        self.forget_what_was_found()
