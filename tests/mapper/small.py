"""Small networks and made-up pairs for the tests of the mapper."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from v2a_lightning.mapper import Network, TransformerMapper

DIM = 512


def small_transformer(**changes: Any) -> TransformerMapper:
    return TransformerMapper(**{"depth": 2, "heads": 2, "ff_mult": 1, **changes})


def unit_vectors(count: int, seed: int = 0, dim: int = DIM) -> Tensor:
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def awake(network: Network) -> Network:
    """The network with a last layer that is not about zero, as after some training."""
    generator = torch.Generator().manual_seed(7)
    for parameter in network.parameters():
        if parameter.abs().max() < 0.01:
            parameter.data.normal_(std=0.05, generator=generator)
    return network


class Pairs(Dataset):
    """Clips of three frames, of which the last may be padding, and an audio embedding that follows from them."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.frames = F.normalize(
            unit_vectors(count, seed)[:, None] + 0.3 * unit_vectors(count * 3, seed + 1).view(count, 3, DIM), dim=-1
        )
        self.audio = F.normalize(self.frames.mean(1) @ unit_vectors(DIM, 99), dim=-1)
        self.prefix = f"clip{seed}"

    def __len__(self) -> int:
        return len(self.audio)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "clip_id": f"{self.prefix}_{index:06d}",
            "frames": self.frames[index],
            "frame_mask": torch.tensor([True, True, index % 2 == 0]),
            "audio": self.audio[index],
        }


def batch_of(pairs: Pairs, indices: Sequence[int]) -> dict[str, Any]:
    return torch.utils.data.default_collate([pairs[index] for index in indices])


class EpochOrder(Sampler[int]):
    """A new order every epoch, which follows from the epoch alone; the next one begins after `skip` clips."""

    def __init__(self, count: int) -> None:
        self.count, self.epoch, self.skip = count, 0, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        skip, self.skip = self.skip, 0
        order = torch.randperm(self.count, generator=torch.Generator().manual_seed(self.epoch))
        yield from order[skip:].tolist()


class ResumableLoader(DataLoader):
    """A loader whose epoch and position Lightning keeps in checkpoints, so that a resumed epoch has what was left."""

    given = 0
    resume: dict[str, int] | None = None

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.sampler.epoch, "given": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.resume = state

    def __iter__(self) -> Iterator[Any]:
        # A generator, so that this runs at the first batch, when Lightning has told the sampler the epoch.
        resume, self.resume = self.resume, None
        self.given = resume["given"] if resume and resume["epoch"] == self.sampler.epoch else 0
        self.sampler.skip = self.given * self.batch_size
        for batch in super().__iter__():
            self.given += 1
            yield batch


class PairsModule(LightningDataModule):
    """Pairs in a fixed order; validation is dealt out to processes like cards, so that shards may be uneven."""

    def __init__(self, training: int = 24, validation: int = 7, batch_size: int = 4) -> None:
        super().__init__()
        self.training_pairs, self.validation_pairs = Pairs(training), Pairs(validation, seed=10)
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader:
        return ResumableLoader(self.training_pairs, self.batch_size, sampler=EpochOrder(len(self.training_pairs)))

    def val_dataloader(self) -> DataLoader:
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        share = range(rank, len(self.validation_pairs), world)
        return DataLoader(self.validation_pairs, batch_size=2, sampler=share)

    test_dataloader = predict_dataloader = val_dataloader
