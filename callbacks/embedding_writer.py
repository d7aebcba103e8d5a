"""Writing what `predict` makes: every process its own Parquet shards, each of them whole or not there."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_info

from v2a_lightning.data_modules.extraction import ClipStream, EmbeddedBatch
from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.data_modules.progress import progress
from v2a_lightning.data_modules.shards import ShardWriter
from v2a_lightning.data_modules.store import EmbeddingStore, StoreWriter
from v2a_lightning.data_modules.towers import StoreSpec
from v2a_lightning.runs import EMBEDDINGS


class Sink(Protocol):
    """Where predictions go."""

    def write(self, prediction: Any) -> None:
        """Take the prediction of a batch."""

    def flush(self) -> None:
        """Write what has been taken."""


class EmbeddingWriter(Callback):
    """Writes the CLAP embeddings that a mapper predicts: columns clip_id and embedding (512 float32).

    Args:
        output: folder or fsspec URL; each process adds its own `part-*.parquet`, so the folder reads as one table. The
            folder `embeddings` of the run when not given.
    """

    def __init__(self, output: str | None = None) -> None:
        self.output = None if output is None else str(output)
        self._sink: Sink | None = None

    def open(self, trainer: Trainer) -> Sink:
        """Where the predictions of this process go."""
        # The run's folder is the first process's; every process has to ask.
        output = self.output or str(Path(str(trainer.log_dir)) / EMBEDDINGS)
        rank_zero_info(f"Embeddings go to {output}")
        return _Predictions(output, trainer.global_rank)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        self._sink = self.open(trainer)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write a batch."""
        assert self._sink is not None
        self._sink.write(outputs)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is left."""
        self._flush()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Keep what was done before it went wrong."""
        self._flush()

    def _flush(self) -> None:
        if self._sink is not None:
            self._sink.flush()
            self._sink = None


class StoreEmbeddings(EmbeddingWriter):
    """Writes the embeddings of the frozen encoders into a store, with a progress bar for the first process's share.

    Args:
        store: the store.
        spec: which embeddings they are.
    """

    def __init__(self, store: EmbeddingStore, spec: StoreSpec) -> None:
        super().__init__(store.url)
        self.store = store
        self.spec = spec
        self._bar = ExitStack()
        self._advance: Callable[[int], None] | None = None
        self._stream: ClipStream | None = None

    def open(self, trainer: Trainer) -> Sink:
        """The store's writer."""
        return _StoreRows(self.store.writer(self.spec, trainer.global_rank))

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, and show a bar."""
        super().on_predict_start(trainer, pl_module)
        self._stream = trainer.datamodule.stream  # type: ignore[attr-defined]
        clips = self._stream.clips
        if trainer.is_global_zero and clips:
            share = "" if trainer.world_size == 1 else " (the first process's share)"
            self._advance = self._bar.enter_context(progress(f"embedding clips{share}", clips))

    def on_predict_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *others: Any) -> None:
        """Write a batch."""
        super().on_predict_batch_end(trainer, pl_module, outputs, *others)
        if self._advance is not None:
            self._advance(outputs.clips)

    def _flush(self) -> None:
        if self._stream is not None:
            self._stream.close()
        super()._flush()
        self._bar.close()


class _Predictions:
    def __init__(self, output: str, rank: int) -> None:
        schema = {"clip_id": pa.string(), "embedding": pa.list_(pa.float32())}
        self.shards = ShardWriter(Folder(output), "", schema, {}, rank)

    def write(self, prediction: Any) -> None:
        for clip_id, embedding in zip(prediction["clip_id"], prediction["embedding"].float().cpu(), strict=True):
            self.shards.append({"clip_id": clip_id, "embedding": embedding.flatten().numpy()})

    def flush(self) -> None:
        self.shards.flush()


class _StoreRows:
    def __init__(self, writer: StoreWriter) -> None:
        self.writer = writer

    def write(self, prediction: EmbeddedBatch) -> None:
        prediction.write(self.writer)

    def flush(self) -> None:
        self.writer.flush()
