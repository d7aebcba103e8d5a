"""Embeddings on a GPU: a batch is a few gathers there, and all that is copied for it are the numbers of its rows."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from v2a_lightning.data_modules.table import EmbeddingDataset, EmbeddingTable
from v2a_lightning.devices import send

# Of the memory that is free when the data is set up; the rest is the mapper's and the generator's.
SHARE = 0.5


def move_tables(datasets: Iterable[Any], device: torch.device) -> None:
    """Move the tables of the datasets that have one, each once, if the device has memory of its own and room in it."""
    moved: dict[int, EmbeddingTable] = {}
    for dataset in datasets:
        if isinstance(dataset, EmbeddingDataset) and dataset.table.lengths.device != device:
            key = id(dataset.table)
            moved[key] = moved.get(key) or _moved(dataset.table, device)
            dataset.table = moved[key]


def table_bytes(table: EmbeddingTable) -> int:
    """How much memory the table's tensors take."""
    frames = table.frames.values() if isinstance(table.frames, Mapping) else [table.frames]
    return sum(tensor.nbytes for tensor in (*frames, table.lengths, table.target) if tensor is not None)


def free_memory(device: torch.device) -> int:
    """Bytes that are free in a device's own memory; 0 where it computes in the processor's."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 0


def moved_batch(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """A batch on a device. Only tensors are looked at, which for hundreds of clips' names makes a difference."""
    return {key: _sent(value, device) for key, value in batch.items()}


def _moved(table: EmbeddingTable, device: torch.device) -> EmbeddingTable:
    free, needed = free_memory(device), table_bytes(table)
    if needed > SHARE * free:
        if free:
            rank_zero_info(
                f"embeddings of {needed / 1e9:.1f} GB stay in the processor's memory: half of the {free / 1e9:.1f} GB "
                f"that are free on {device} would not hold them"
            )
        return table
    frames: Tensor | dict[str, Tensor]
    if isinstance(table.frames, Mapping):
        frames = {name: one.to(device) for name, one in table.frames.items()}
    else:
        frames = table.frames.to(device)
    target = None if table.target is None else table.target.to(device)
    return replace(table, frames=frames, lengths=table.lengths.to(device), target=target)


def _sent(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return send(value, device)
    if isinstance(value, Mapping):
        return moved_batch(value, device)
    if isinstance(value, list) and value and isinstance(value[0], Tensor):
        return [send(one, device) for one in value]
    return value
