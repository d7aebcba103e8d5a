"""Writing what `predict` makes: every process its own Parquet shards, each of them whole or not there."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_info

from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.data_modules.shards import ShardWriter
from v2a_lightning.runs import EMBEDDINGS

SCHEMA = {"clip_id": pa.string(), "embedding": pa.list_(pa.float32())}


class EmbeddingWriter(Callback):
    """Writes what a mapper predicts: columns clip_id and embedding (N * D float32).

    Args:
        output: folder or fsspec URL; each process adds its own `part-*.parquet`, so the folder reads as one table. The
            folder `embeddings` of the run when not given.
    """

    def __init__(self, output: str | None = None) -> None:
        self.output = None if output is None else str(output)
        self._shards: ShardWriter | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        # The run's folder is the first process's; every process has to ask.
        output = self.output or str(Path(str(trainer.log_dir)) / EMBEDDINGS)
        rank_zero_info(f"Embeddings go to {output}")
        self._shards = ShardWriter(Folder(output), "", SCHEMA, {}, trainer.global_rank)

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any, **__: Any
    ) -> None:
        """Write a batch."""
        assert self._shards is not None
        for clip_id, embedding in zip(outputs["clip_id"], outputs["embedding"].float().cpu(), strict=True):
            self._shards.append({"clip_id": clip_id, "embedding": embedding.flatten().numpy()})

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is left."""
        if self._shards is not None:
            self._shards.flush()
            self._shards = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Keep what was done before it went wrong."""
        self.on_predict_end(trainer, pl_module)
