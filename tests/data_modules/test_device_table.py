"""The table on a device: moved once if there is room, and batches made there."""

import pytest
import torch
from torch import Tensor

from tests.data_modules.test_loading import dataset
from v2a_lightning.data_modules import device_table
from v2a_lightning.data_modules.device_table import move_tables, moved_batch, table_bytes
from v2a_lightning.data_modules.table import EmbeddingDataset

# A device whose tensors have no values; like a GPU's, they cannot be mixed with the CPU's.
DEVICE = torch.device("meta")


def test_splits_share_one_moved_table(monkeypatch: pytest.MonkeyPatch) -> None:
    train = dataset(8, dtype=torch.float16)
    test = EmbeddingDataset(train.table, [5, 2])
    size = table_bytes(train.table)
    assert size == 8 * (2 * 4 * 2 + 4 * 2 + 8)
    monkeypatch.setattr(device_table, "free_memory", lambda device: 2 * size)
    move_tables([train, test, object()], DEVICE)
    assert train.table is test.table
    batch = test.__getitems__([1, 0])
    assert batch["clip_id"] == ["00002", "00005"]
    tensors = {name: value for name, value in batch.items() if isinstance(value, Tensor)}
    assert {name: (one.device, one.dtype, tuple(one.shape)) for name, one in tensors.items()} == {
        "frames": (DEVICE, torch.float32, (2, 2, 4)),
        "frame_mask": (DEVICE, torch.bool, (2, 2)),
        "target": (DEVICE, torch.float32, (2, 4)),
    }


@pytest.mark.parametrize("device", [torch.device("cpu"), DEVICE])
def test_without_room_and_on_a_cpu_it_stays(monkeypatch: pytest.MonkeyPatch, device: torch.device) -> None:
    data = dataset(8)
    monkeypatch.setattr(device_table, "free_memory", lambda device: 2 * table_bytes(data.table) - 1)
    before = data.table
    move_tables([data], device)
    assert data.table is before


def test_a_cpu_has_no_memory_of_its_own() -> None:
    assert device_table.free_memory(torch.device("cpu")) == 0


def test_what_is_a_tensor_is_moved() -> None:
    one = torch.ones(2)
    batch = {"clip_id": ["a"], "frames": {"clip": one, "dino": one}, "raw_frames": [one, one], "failure": "no"}
    moved = moved_batch(batch, DEVICE)
    assert moved["clip_id"] is batch["clip_id"]
    assert moved["failure"] == "no"
    assert [value.device for value in [*moved["frames"].values(), *moved["raw_frames"]]] == [DEVICE] * 4
    assert torch.equal(moved_batch(batch, torch.device("cpu"))["frames"]["dino"], one)
