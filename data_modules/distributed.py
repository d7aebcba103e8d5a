"""Extraction by Lightning's Trainer: any number of devices and machines, each process with its share of the clips."""

from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from torch.utils.data import DataLoader

from v2a_lightning.data_modules.encoded import EncodedDataModule
from v2a_lightning.data_modules.extraction import ClipStream, DecodedBatch, EmbeddedBatch, Extraction
from v2a_lightning.data_modules.locking import StoreLock


class ExtractionModule(LightningModule):
    """The frozen encoders, as something that a Trainer can predict with. It holds no weights that a checkpoint would.

    Args:
        data: whose clips are embedded.
    """

    def __init__(self, data: EncodedDataModule) -> None:
        super().__init__()
        self._data = data
        self._extraction: Extraction | None = None

    def on_predict_start(self) -> None:
        """Move the encoders to this process's device."""
        self._extraction = self._data.extraction()
        self._extraction.encoders.to(self.device)

    def predict_step(self, batch: DecodedBatch, batch_idx: int) -> EmbeddedBatch:
        """Embed some clips."""
        assert self._extraction is not None
        return self._extraction.embed(batch)


class ExtractionData(LightningDataModule):
    """The decoded clips that the store lacks; `stream` is this process's share of them.

    Args:
        data: whose clips are embedded.
        add_encoder: allow embeddings of these encoders beside those of others.
    """

    def __init__(self, data: EncodedDataModule, add_encoder: bool = False) -> None:
        super().__init__()
        self.data = data
        self.add_encoder = add_encoder
        self.prepare_data_per_node = False
        self.stream = ClipStream([], data.decoding)
        self._lock = StoreLock(data.store.folder)

    def prepare_data(self) -> None:
        """Make what media files can be made, and see whether the store is of this kind."""
        self.data.prepare_media()
        if not self.add_encoder:
            self.data.store.refuse_others(self.data.encoders.spec())
        self._lock.take()
        self.data.store.mend()
        self.data.extraction().refuse_other_files()

    def predict_dataloader(self) -> DataLoader[DecodedBatch]:
        """Batches that need no collating; decoding is done in processes of its own."""
        self._lock.share()
        place = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        self.stream = self.data.extraction().stream(*place)
        return DataLoader(self.stream, batch_size=None)

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """The encoders take arrays, and move what they need."""
        return batch

    def teardown(self, stage: str) -> None:
        """List the rejected clips. Every process does when it is done, so the last one lists them all."""
        self.data.forget_what_was_found()
        self.data.store.write_rejects_csv(self.data.rejects)
        self._lock.release()

    def on_exception(self, exception: BaseException) -> None:
        """Decode no more, and let other jobs write."""
        self.stream.close()
        self._lock.release()
