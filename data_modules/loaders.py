"""DataLoaders whose order depends on a seed and the epoch alone, which a resumed run takes up where it stopped, and
which show no clip twice in an evaluation."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from v2a_lightning.data_modules.table import Batch
from v2a_lightning.errors import RunFailure, UsageError


def as_it_is(batch: Any) -> Any:
    """The datasets here make whole batches themselves."""
    return batch


class TrainingSampler(DistributedSampler[int]):
    """A new order each epoch (Lightning tells which); the next epoch begins after `skip` of this process's clips.

    An epoch goes through the clips `passes` times, each time in another order. Processes take turns in one order, so
    that a batch over all of them holds the same clips however many they are; the last one is filled up with a few clips
    of the epoch's beginning where they would not have equally many.
    """

    skip = 0
    passes = 1

    def __iter__(self) -> Iterator[int]:
        skip, self.skip = self.skip, 0
        order = self._order()
        order += order[: len(self) * self.num_replicas - len(order)]
        return islice(order, self.rank + skip * self.num_replicas, None, self.num_replicas)

    def __len__(self) -> int:
        return math.ceil(self.passes * len(self.dataset) / self.num_replicas)  # type: ignore[arg-type]

    def _order(self) -> list[int]:
        """Clips of one epoch over all processes; what each pass is drawn from is the seed and the pass's number."""
        order: list[int] = []
        for number in range(self.epoch * self.passes, (self.epoch + 1) * self.passes):
            generator = torch.Generator().manual_seed(self.seed + number)
            order += torch.randperm(len(self.dataset), generator=generator).tolist()  # type: ignore[arg-type]
        return order


class ResumableLoader(DataLoader[Batch]):
    """Lightning keeps such a loader's state in checkpoints, so that a resumed epoch has the batches that were left.

    Every process has had as many batches as the others, so that one process's state is everybody's, and a run can go
    on with another number of processes. Lightning may put another sampler in the place of training's, as
    `overfit_batches` does.
    """

    given = 0
    _resumed: dict[str, int] | None = None

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many of its batches were given."""
        return {"epoch": self._epoch, "given": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after those batches, if the next epoch to be given is that one."""
        self._resumed = state

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        # A generator, so that this runs at the first batch: only then has Lightning told the sampler the epoch.
        resumed, self._resumed = self._resumed, None
        self.given = resumed["given"] if resumed and resumed["epoch"] == self._epoch else 0
        unwanted = self.given
        if isinstance(self.sampler, TrainingSampler):
            self.sampler.skip, unwanted = self.given * int(self.batch_size or 1), 0
        for batch in islice(super().__iter__(), unwanted, None):
            self.given += 1
            yield batch

    @property
    def _epoch(self) -> int:
        return int(getattr(self.sampler, "epoch", 0))


def share_of_batch(batch_size: int, ranks: int) -> int:
    """How many clips of a batch each process has; UsageError when they cannot all have equally many."""
    if batch_size % ranks:
        nearest = max(ranks, round(batch_size / ranks) * ranks)
        raise UsageError(
            f"data.batch_size is that of all {ranks} processes together and {batch_size} cannot be shared evenly; "
            f"give a multiple of {ranks}, such as {nearest}, or another number of devices"
        )
    return batch_size // ranks


def training_loader(
    dataset: Dataset[Batch], batch_size: int, seed: int, rank: int, ranks: int, workers: int = 0, passes: int = 1
) -> DataLoader[Batch]:
    """Shuffled anew in each pass of each epoch, in the same way after a resume; `batch_size` over all processes."""
    sampler = TrainingSampler(dataset, ranks, rank, shuffle=True, seed=seed)
    sampler.passes = passes
    return ResumableLoader(dataset, sampler=sampler, **_options(share_of_batch(batch_size, ranks), workers))


def evaluation_loader(
    dataset: Dataset[Batch], batch_size: int, rank: int, ranks: int, workers: int = 0
) -> DataLoader[Batch]:
    """In order, dealt out to the processes without filling up: every clip exactly once; `batch_size` over all of them.

    RunFailure when there are fewer clips than processes.
    """
    count = len(dataset)  # type: ignore[arg-type]
    if count < ranks:
        raise RunFailure(f"{count} clips cannot be shared by {ranks} processes; use fewer devices or more clips")
    sampler = UnrepeatedDistributedSampler(dataset, ranks, rank, shuffle=False)
    return DataLoader(dataset, sampler=sampler, **_options(share_of_batch(batch_size, ranks), workers))


def _options(batch_size: int, workers: int) -> dict[str, Any]:
    return {
        "batch_size": batch_size,
        "collate_fn": as_it_is,
        "num_workers": workers,
        "persistent_workers": workers > 0,
        # Iterating would else take a number from the global random stream, which is training's.
        "generator": torch.Generator(),
    }
