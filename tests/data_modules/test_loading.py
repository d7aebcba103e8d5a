"""Every clip once in an evaluation, on any number of processes, and batches that cost next to nothing."""

import time
from itertools import chain
from pathlib import Path

import lightning.pytorch as lightning
import pytest
import torch
from torch import Tensor

from v2a_lightning.data_modules.loaders import ResumableLoader, as_it_is, evaluation_loader, training_loader
from v2a_lightning.data_modules.table import EmbeddingDataset, EmbeddingTable
from v2a_lightning.errors import RunFailure, UsageError


def dataset(count: int, frames: int = 2, width: int = 4, dtype: torch.dtype = torch.float32) -> EmbeddingDataset:
    names = [f"{number:05d}" for number in range(count)]
    data = torch.randn(count, frames, width, dtype=dtype)
    lengths = torch.full((count,), frames)
    table = EmbeddingTable(names, names, ["train"] * count, names, data, lengths, data[:, 0])
    return EmbeddingDataset(table, range(count))


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_evaluation_shows_every_clip_once(ranks: int) -> None:
    loaders = [evaluation_loader(dataset(11), 12, rank, ranks) for rank in range(ranks)]
    seen = [[clip_id for batch in loader for clip_id in batch["clip_id"]] for loader in loaders]
    assert sorted(chain(*seen)) == [f"{number:05d}" for number in range(11)]
    assert max(map(len, seen)) - min(map(len, seen)) <= 1


def test_fewer_clips_than_processes_are_refused() -> None:
    with pytest.raises(RunFailure, match="2 clips cannot be shared by 3 processes"):
        evaluation_loader(dataset(2), 4, 0, 3)


def test_training_deals_all_clips_out_evenly() -> None:
    loaders = [training_loader(dataset(10), 4, seed=3, rank=rank, ranks=2) for rank in range(2)]
    seen = [[clip_id for batch in loader for clip_id in batch["clip_id"]] for loader in loaders]
    assert [len(part) for part in seen] == [5, 5]
    assert len(set(chain(*seen))) == 10
    assert seen[0] != sorted(seen[0])


def test_an_epoch_of_several_passes_goes_through_all_clips_in_new_orders() -> None:
    loader = training_loader(dataset(10), 4, seed=3, rank=0, ranks=1, passes=3)
    epochs = []
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        seen = [clip_id for batch in loader for clip_id in batch["clip_id"]]
        epochs.extend([seen[:10], seen[10:20], seen[20:]])
    assert len(loader) == 8
    assert all(sorted(one) == sorted(epochs[0]) for one in epochs)
    assert len({tuple(one) for one in epochs}) == 6


def test_loading_leaves_the_random_stream_alone() -> None:
    loaders = [training_loader(dataset(10), 4, seed=3, rank=0, ranks=1), evaluation_loader(dataset(10), 4, 0, 1)]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert [len(list(loader)) for loader in loaders] == [3, 3]
    assert torch.equal(torch.rand(3), expected)


def test_a_batch_of_448_clips_takes_milliseconds() -> None:
    loader = training_loader(dataset(4480, 10, 512, torch.float16), 448, seed=0, rank=0, ranks=1)
    list(loader)
    begin = time.process_time()
    batches = list(loader)
    spent = (time.process_time() - begin) / len(batches)
    assert batches[0]["frames"].shape == (448, 10, 512)
    # A step of the default mapper on such a batch takes seconds on a processor core.
    assert spent < 0.1


def shown(clips: int, batch_size: int, ranks: int, passes: int = 1, given: int = 0) -> list[list[str]]:
    """The clips of every batch over all processes, sorted within the batch, of the second epoch."""
    shares = []
    for rank in range(ranks):
        loader = training_loader(dataset(clips), batch_size, 3, rank, ranks, passes=passes)
        loader.sampler.set_epoch(1)
        loader.load_state_dict({"epoch": 1, "given": given})
        shares.append([batch["clip_id"] for batch in loader])
        assert len(shares[0]) == len(shares[-1]) == len(loader) - given
    return [sorted(clip for share in batch for clip in share) for batch in zip(*shares, strict=True)]


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("clips", [24, 26, 31])
def test_a_batch_over_all_processes_holds_the_same_clips_however_many_they_are(clips, passes) -> None:
    alone = shown(clips, 8, 1, passes)
    assert len(alone) == -(-clips * passes // 8)
    for ranks in (2, 4, 8):
        together = shown(clips, 8, ranks, passes)
        assert together[:-1] == alone[:-1]
        # The last one is filled up, so that all processes have equally many.
        assert set(together[-1]) >= set(alone[-1])
        assert len(together[-1]) - len(alone[-1]) < ranks


def test_a_run_goes_on_with_another_number_of_processes() -> None:
    whole = shown(24, 8, 1, passes=2)
    assert shown(24, 8, 4, passes=2, given=2) == whole[2:]


@pytest.mark.parametrize(
    "make",
    [
        lambda data, size, ranks: training_loader(data, size, 0, 0, ranks),
        lambda data, size, ranks: evaluation_loader(data, size, 0, ranks),
    ],
)
def test_a_batch_that_cannot_be_shared_is_refused(make) -> None:
    for batch_size, ranks, said in ((8, 3, "such as 9"), (2, 4, "such as 4")):
        with pytest.raises(UsageError, match=f"all {ranks} processes together.*{said}"):
            make(dataset(12), batch_size, ranks)


def test_lightning_may_put_another_sampler_in_its_place() -> None:
    data = dataset(6)
    loader = ResumableLoader(data, sampler=torch.utils.data.SequentialSampler(data), batch_size=2, collate_fn=as_it_is)
    assert loader.state_dict() == {"epoch": 0, "given": 0}
    loader.load_state_dict({"epoch": 0, "given": 2})
    assert [batch["clip_id"] for batch in loader] == [["00004", "00005"]]
    assert loader.state_dict() == {"epoch": 0, "given": 3}


class Collector(lightning.LightningModule):
    """Writes down which clips each process is shown."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.layer = torch.nn.Linear(4, 1)

    def _note(self, stage: str, names: list[str]) -> None:
        with open(self.folder / f"{stage}-{self.global_rank}-{self.current_epoch}", "a") as file:
            file.writelines(f"{name}\n" for name in names)

    def training_step(self, batch: dict, batch_idx: int) -> Tensor:
        self._note("fit", batch["clip_id"])
        return self.layer(batch["frames"]).mean()

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        self._note("validation", batch["clip_id"])

    def predict_step(self, batch: dict, batch_idx: int) -> None:
        self._note("predict", batch["clip_id"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class TableModule(lightning.LightningDataModule):
    def train_dataloader(self) -> object:
        return training_loader(dataset(10), 4, 0, self.trainer.global_rank, self.trainer.world_size)

    def val_dataloader(self) -> object:
        return evaluation_loader(dataset(7), 4, self.trainer.global_rank, self.trainer.world_size)

    predict_dataloader = val_dataloader


def test_lightning_keeps_these_samplers_under_ddp(tmp_path: Path) -> None:
    trainer = lightning.Trainer(
        accelerator="cpu", devices=2, strategy="ddp_fork", max_epochs=2, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(Collector(tmp_path), datamodule=TableModule())
    trainer.predict(Collector(tmp_path), datamodule=TableModule(), return_predictions=False)
    shown = {path.name: path.read_text().split() for path in tmp_path.iterdir()}
    everyone = [f"{number:05d}" for number in range(7)]
    assert sorted(shown["validation-0-1"] + shown["validation-1-1"]) == everyone
    assert sorted(shown["predict-0-0"] + shown["predict-1-0"]) == everyone
    assert len(set(shown["fit-0-0"] + shown["fit-1-0"])) == 10
    assert shown["fit-0-0"] != shown["fit-0-1"]
