"""A streamed copy loses no clip, under any number of workers and processes, and is the store's in every number."""

from itertools import chain
from pathlib import Path

import lightning.pytorch as lightning
import numpy as np
import pytest
import torch

from v2a_lightning.data_modules import EmbeddingStore, StreamedDataModule, load_table, streamed
from v2a_lightning.data_modules.clips import Clip, ids_hash
from v2a_lightning.data_modules.streamed import write_stream
from v2a_lightning.errors import RunFailure, UsageError

from .test_loading import Collector
from .test_store import SPEC, embedding

TRAINING = [f"{number:03d}" for number in range(50)]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    # Chunks of a few clips, so that processes and workers share some of them.
    monkeypatch.setattr(streamed, "CHUNK_BYTES", 1000)
    store = EmbeddingStore(tmp_path / "store", "float32")
    clips = [Clip(name, f"label {name}", "train", Path(f"{name}.mp4")) for name in TRAINING]
    clips += [Clip(f"v{number}", "cat", "validation", Path("v.mp4")) for number in range(3)]
    clips += [Clip(f"t{number}", "cat", "test", Path("t.mp4")) for number in range(4)]
    with store.writer(SPEC) as writer:
        for clip in clips:
            frames = embedding(clip.clip_id, 2)[:, :4]
            writer.add_frames(clip.clip_id, clip.label, clip.split, str(clip.path), frames)
            writer.add_audio(clip.clip_id, embedding(clip.clip_id + "/audio", 1)[0])
    write_stream(str(tmp_path / "copy"), store, SPEC, [*clips, Clip("nobody", "", "train")])
    return str(tmp_path / "copy")


def order(loader: object, epoch: int) -> list[list[str]]:
    loader.set_epoch(epoch)  # type: ignore[attr-defined]
    return [batch["clip_id"] for batch in loader]  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [0, 3])
def test_an_epoch_has_every_clip_once_in_an_order_of_its_own(copy: str, workers: int) -> None:
    data = StreamedDataModule(copy, batch_size=4, workers=workers)
    data.setup("fit")
    loader = data.train_dataloader()
    first, second = order(loader, 0), order(loader, 1)
    assert len(loader) == len(first) == len(second) == 13
    assert sorted(chain(*first)) == sorted(chain(*second)) == TRAINING
    assert first != second
    assert order(data.train_dataloader(), 1) == second
    resumed = data.train_dataloader()
    resumed.load_state_dict({"epoch": 1, "given": 5})
    assert order(resumed, 1) == second[5:]
    assert resumed.state_dict() == {"epoch": 1, "given": 13}


def test_batches_are_those_of_the_store(copy: str, tmp_path: Path) -> None:
    table = load_table(EmbeddingStore(tmp_path / "store"), SPEC)
    data = StreamedDataModule(copy, batch_size=4, workers=0)
    data.setup("fit")
    for streamed_batch in data.train_dataloader():
        batch = table.batch([table.clip_ids.index(name) for name in streamed_batch["clip_id"]])
        assert streamed_batch["label"] == batch["label"]
        for name in ("frames", "frame_mask", "target"):
            assert torch.equal(streamed_batch[name], batch[name])
    held_out = next(iter(data.val_dataloader()))
    assert held_out["clip_id"] == ["v0", "v1", "v2"]
    np.testing.assert_array_equal(held_out["frames"][1].numpy(), embedding("v1", 2)[:, :4])
    assert data.used_clips("fit") == {
        "train": {"clips": 50, "ids_sha256": ids_hash(TRAINING)},
        "validation": {"clips": 3, "ids_sha256": ids_hash(["v0", "v1", "v2"])},
    }
    data.setup("test")
    assert [batch["clip_id"] for batch in data.test_dataloader()] == [["t0", "t1", "t2", "t3"]]
    assert (data.widths.frames[""], data.widths.target_dim) == (("clip:a", 4), 8)


def test_two_processes_with_workers_lose_no_clip(copy: str, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    trainer = lightning.Trainer(
        accelerator="cpu", devices=2, strategy="ddp_fork", max_epochs=2, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(Collector(shown), datamodule=StreamedDataModule(copy, batch_size=8, workers=2))
    epochs = [[(shown / f"fit-{rank}-{epoch}").read_text().split() for rank in (0, 1)] for epoch in (0, 1)]
    for first, second in epochs:
        assert sorted({*first, *second}) == TRAINING
        # Six batches of four each; the two clips that are left go to one, and the other begins again.
        assert sorted((len(first), len(second))) == [26, 28]
        assert len(second) == len(set(second)) == 26
        assert not set(first) & set(second)
    assert epochs[0] != epochs[1]


def test_what_cannot_be_streamed(copy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EmbeddingStore(tmp_path / "store")
    with pytest.raises(UsageError, match="copy is not empty; give another"):
        write_stream(copy, store, SPEC, [])
    with pytest.raises(UsageError, match="1 clips train and 0 do not: both are needed"):
        write_stream(str(tmp_path / "other"), store, SPEC, [Clip("001", "", "train")])
    data = StreamedDataModule(copy, batch_size=64, workers=0)
    assert [len(batch["clip_id"]) for batch in data.train_dataloader()] == [50]
    monkeypatch.setattr(data, "_rank_and_ranks", lambda: (0, 2))
    with pytest.raises(RunFailure, match="50 training clips are too few for 2 processes and batches of 32 each"):
        data.train_dataloader()
    Path(copy, "train.json").unlink()
    with pytest.raises(UsageError, match=r"copy is no streamed copy of a store: it has no train.json"):
        StreamedDataModule(copy).setup("fit")
