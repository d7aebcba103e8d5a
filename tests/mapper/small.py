"""Small networks and made-up pairs for the tests of the mapper."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from v2a_lightning.data_modules.loaders import training_loader
from v2a_lightning.mapper import AverageFrames, Diffusion, Network, TransformerMapper
from v2a_lightning.module import V2AMapper

DIM = 512


def small_transformer(**changes: Any) -> TransformerMapper:
    return TransformerMapper(**{"depth": 2, "heads": 2, "ff_mult": 1, **changes})


def narrow_transformer(**changes: Any) -> TransformerMapper:
    """The same for the same pairs at a width at which a step takes no time, for tests of what is around it."""
    return small_transformer(**{"dim": 32, "condition_dim": DIM, "target_dim": DIM, **changes})


def unit_vectors(count: int, seed: int = 0, dim: int = DIM) -> Tensor:
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def unit_targets(count: int, seed: int = 0, dim: int = DIM, tokens: int = 1) -> Tensor:
    return unit_vectors(count * tokens, seed, dim).view(count, tokens, dim)


def awake(network: Network) -> Network:
    """The network with a last layer that is not about zero, as after some training."""
    generator = torch.Generator().manual_seed(7)
    for parameter in network.parameters():
        if parameter.abs().max() < 0.01:
            parameter.data.normal_(std=0.05, generator=generator)
    return network


class Pairs(Dataset):
    """Clips of three frames, of which the last may be padding, and an audio embedding that follows from them."""

    def __init__(self, count: int, seed: int = 0, tokens: int = 1) -> None:
        self.frames = F.normalize(
            unit_vectors(count, seed)[:, None] + 0.3 * unit_vectors(count * 3, seed + 1).view(count, 3, DIM), dim=-1
        )
        mean = self.frames.mean(1)
        self.audio = F.normalize(torch.stack([mean @ unit_vectors(DIM, 99 + one) for one in range(tokens)], 1), dim=-1)
        self.prefix = f"clip{seed}"

    def __len__(self) -> int:
        return len(self.audio)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "clip_id": f"{self.prefix}_{index:06d}",
            "frames": self.frames[index],
            "frame_mask": torch.tensor([True, True, index % 2 == 0]),
            "target": self.audio[index],
        }


def batch_of(pairs: Pairs, indices: Sequence[int]) -> dict[str, Any]:
    return torch.utils.data.default_collate([pairs[index] for index in indices])


class WholeBatches(Dataset):
    """Pairs that make batches themselves, as the data modules' datasets do."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitems__(self, indices: list[int]) -> dict[str, Any]:
        return batch_of(self.pairs, indices)


class PairsModule(LightningDataModule):
    """Pairs in training's real loader; validation is dealt out to processes like cards, so that shards are uneven."""

    def __init__(
        self, training: int = 24, validation: int = 7, batch_size: int = 4, workers: int = 0, tokens: int = 1
    ) -> None:
        super().__init__()
        self.workers = workers
        self.training_pairs, self.validation_pairs = Pairs(training, tokens=tokens), Pairs(validation, 10, tokens)
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader:
        return training_loader(WholeBatches(self.training_pairs), self.batch_size, 0, *self._place(), self.workers)

    def val_dataloader(self) -> DataLoader:
        rank, world = self._place()
        share = range(rank, len(self.validation_pairs), world)
        return DataLoader(self.validation_pairs, batch_size=2, sampler=share)

    test_dataloader = predict_dataloader = val_dataloader

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)


def small_mapper(**changes: Any) -> V2AMapper:
    torch.manual_seed(0)
    parts: dict[str, Any] = {
        "network": small_transformer(),
        "objective": Diffusion(),
        "aggregator": AverageFrames(),
        "sampling_steps": 4,
        "seed": 5,
    }
    return V2AMapper(**{**parts, **changes})


def trainer(folder: Path, **changes: Any) -> Trainer:
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "default_root_dir": folder,
        "max_epochs": 1,
        "log_every_n_steps": 1,
    }
    return Trainer(**{**quiet, **changes})
