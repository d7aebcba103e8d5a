"""DataLoaders whose order depends on a seed and the epoch alone, and which show no clip twice in an evaluation."""

from typing import Any

import torch
from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from data_modules.table import Batch
from v2a_lightning.errors import RunFailure


def as_it_is(batch: Any) -> Any:
    """The datasets here make whole batches themselves."""
    return batch


def training_loader(
    dataset: Dataset[Batch], batch_size: int, seed: int, rank: int, ranks: int, workers: int = 0
) -> DataLoader[Batch]:
    """Shuffled anew each epoch (Lightning tells the sampler which), in the same way after a resume."""
    sampler: DistributedSampler[Batch] = DistributedSampler(dataset, ranks, rank, shuffle=True, seed=seed)
    return _loader(dataset, batch_size, sampler, workers)


def evaluation_loader(
    dataset: Dataset[Batch], batch_size: int, rank: int, ranks: int, workers: int = 0
) -> DataLoader[Batch]:
    """In order, dealt out to the processes without filling up: every clip exactly once.

    Raises:
        RunFailure: when there are fewer clips than processes.
    """
    count = len(dataset)  # type: ignore[arg-type]
    if count < ranks:
        raise RunFailure(f"{count} clips cannot be shared by {ranks} processes; use fewer devices or more clips")
    sampler = UnrepeatedDistributedSampler(dataset, ranks, rank, shuffle=False)
    return _loader(dataset, batch_size, sampler, workers)


def _loader(dataset: Dataset[Batch], batch_size: int, sampler: Any, workers: int) -> DataLoader[Batch]:
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        collate_fn=as_it_is,
        num_workers=workers,
        persistent_workers=workers > 0,
        # Iterating would else take a number from the global random stream, which is training's.
        generator=torch.Generator(),
    )
