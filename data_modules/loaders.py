"""DataLoaders whose order depends on a seed and the epoch alone, which a resumed run takes up where it stopped, and
which show no clip twice in an evaluation."""

from collections.abc import Iterator
from itertools import chain, islice
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


class TrainingSampler(DistributedSampler[Batch]):
    """A new order each epoch (Lightning tells which); the next epoch begins after `skip` of this process's clips.

    An epoch goes through the clips `passes` times, each time in another order.
    """

    skip = 0
    passes = 1

    def __iter__(self) -> Iterator[Any]:
        skip, self.skip = self.skip, 0
        return islice(chain.from_iterable(self._orders()), skip, None)

    def __len__(self) -> int:
        return self.passes * super().__len__()

    def _orders(self) -> list[list[Any]]:
        epoch, orders = self.epoch, []
        for number in range(self.passes):
            # What the order is drawn from, beside the seed.
            self.epoch = epoch * self.passes + number
            orders.append(list(super().__iter__()))
        self.epoch = epoch
        return orders


class ResumableLoader(DataLoader[Batch]):
    """Lightning keeps such a loader's state in checkpoints, so that a resumed epoch has the batches that were left.

    Every process has had as many batches as the others, so that one process's state is everybody's.
    """

    sampler: TrainingSampler
    given = 0
    _resumed: dict[str, int] | None = None

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many of its batches were given."""
        return {"epoch": self.sampler.epoch, "given": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after those batches, if the next epoch to be given is that one."""
        self._resumed = state

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        # A generator, so that this runs at the first batch: only then has Lightning told the sampler the epoch.
        resumed, self._resumed = self._resumed, None
        self.given = resumed["given"] if resumed and resumed["epoch"] == self.sampler.epoch else 0
        self.sampler.skip = self.given * int(self.batch_size or 1)
        for batch in super().__iter__():
            self.given += 1
            yield batch


def training_loader(
    dataset: Dataset[Batch], batch_size: int, seed: int, rank: int, ranks: int, workers: int = 0, passes: int = 1
) -> DataLoader[Batch]:
    """Shuffled anew in each pass of each epoch, in the same way after a resume."""
    sampler = TrainingSampler(dataset, ranks, rank, shuffle=True, seed=seed)
    sampler.passes = passes
    return ResumableLoader(dataset, sampler=sampler, **_options(batch_size, workers))


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
    return DataLoader(dataset, sampler=sampler, **_options(batch_size, workers))


def _options(batch_size: int, workers: int) -> dict[str, Any]:
    return {
        "batch_size": batch_size,
        "collate_fn": as_it_is,
        "num_workers": workers,
        "persistent_workers": workers > 0,
        # Iterating would else take a number from the global random stream, which is training's.
        "generator": torch.Generator(),
    }
