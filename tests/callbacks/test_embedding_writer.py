"""What a mapper predicts is written by each process into files of its own."""

from pathlib import Path

import lightning.pytorch as lightning
import pyarrow.parquet as pq
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from v2a_lightning.callbacks import EmbeddingWriter


class Predicting(lightning.LightningModule):
    """Gives clip i the embedding (i, i, i, i), and fails at clip `broken`."""

    def __init__(self, broken: int = -1) -> None:
        super().__init__()
        self.broken = broken

    def predict_step(self, batch: torch.Tensor, batch_idx: int) -> dict[str, object]:
        if self.broken in batch:
            raise RuntimeError("this clip is too much")
        embedding = batch.float()[:, None].expand(-1, 4).to(torch.bfloat16)
        return {"clip_id": [f"clip{number}" for number in batch.tolist()], "embedding": embedding}


class Shared(lightning.LightningDataModule):
    """Five clips dealt out to the processes like cards."""

    def predict_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        return DataLoader(torch.arange(5)[self.trainer.global_rank :: self.trainer.world_size], batch_size=2)


def predict(module: Predicting, output: Path) -> None:
    trainer = lightning.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_checkpointing=False,
        callbacks=[EmbeddingWriter(str(output))],
    )  # fmt: skip
    trainer.predict(module, DataLoader(torch.arange(7), batch_size=2), return_predictions=False)


def rows(output: Path) -> dict[str, list[float]]:
    tables = [pq.read_table(path) for path in sorted(output.glob("part-00000-*.parquet"))]
    return {row["clip_id"]: row["embedding"] for table in tables for row in table.to_pylist()}


def test_every_clip_has_its_row(tmp_path: Path) -> None:
    predict(Predicting(), tmp_path / "predicted")
    assert rows(tmp_path / "predicted") == {f"clip{number}": [float(number)] * 4 for number in range(7)}


def test_what_was_done_before_a_failure_is_kept(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="too much"):
        predict(Predicting(broken=5), tmp_path / "predicted")
    assert list(rows(tmp_path / "predicted")) == ["clip0", "clip1", "clip2", "clip3"]


def test_processes_write_into_the_folder_of_the_run(tmp_path: Path) -> None:
    trainer = lightning.Trainer(
        accelerator="cpu", devices=2, strategy="ddp_fork", logger=CSVLogger(tmp_path, "study", "run"),
        use_distributed_sampler=False, enable_progress_bar=False, callbacks=[EmbeddingWriter()],
    )  # fmt: skip
    trainer.predict(Predicting(), datamodule=Shared(), return_predictions=False)
    folder = tmp_path / "study" / "run" / "embeddings"
    assert [path.name[:10] for path in sorted(folder.iterdir())] == ["part-00000", "part-00001"]
    together = {row["clip_id"]: row["embedding"] for row in pq.read_table(folder).to_pylist()}
    assert together == {f"clip{number}": [float(number)] * 4 for number in range(5)}
