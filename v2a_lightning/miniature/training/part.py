"""How every part of the miniature is trained: each step is a function of the seed and its number, so that a killed
training goes on from its last checkpoint and ends at the same weights."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader


class Part(L.LightningModule, ABC):
    """One network in training. A subclass builds its network after `super().__init__`, which seeds it.

    Args:
        steps: optimiser steps in all.
        batch: examples of a step.
        learning_rate: peak of the one-cycle schedule.
        seed: of batches, noise and initial weights.
        weight_decay: AdamW's.
        threads: of the processor. A part of the recipe: another number adds in another order, and after a thousand
            steps the weights are others.
    """

    def __init__(
        self, steps: int, batch: int, learning_rate: float, seed: int, weight_decay: float = 1e-2, threads: int = 1
    ) -> None:
        super().__init__()
        self.steps = steps
        self.batch = batch
        self.learning_rate = learning_rate
        self.seed = seed
        self.weight_decay = weight_decay
        self.threads = threads
        torch.manual_seed(seed)

    @abstractmethod
    def loss(self, random: np.random.Generator) -> Tensor:
        """The scalar loss of one batch, drawn with a generator that depends on the seed and the step alone."""

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """The scalar loss; `batch` (1,) only counts steps."""
        torch.manual_seed(self.seed * 1_000_003 + self.global_step)
        loss = self.loss(np.random.default_rng([self.seed, self.global_step]))
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trainable, self.learning_rate, betas=(0.9, 0.99), weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, self.steps + 1, pct_start=0.08)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def train_dataloader(self) -> DataLoader[Tensor]:
        # Counts steps; the module draws its own batches.
        return DataLoader(torch.arange(self.steps), batch_size=1)  # type: ignore[arg-type]


def train_part(
    part: Part, folder: Path, callbacks: list[L.Callback] | None = None, checkpoint_every: int = 250
) -> None:
    """Train a part to its last step, going on from `last.ckpt` in `folder` if it is there, and freeze it."""
    last = folder / "last.ckpt"
    keep = ModelCheckpoint(dirpath=folder, every_n_train_steps=checkpoint_every, save_last=True, save_top_k=0)
    trainer = L.Trainer(
        max_steps=part.steps,
        max_epochs=-1,
        accelerator="auto",
        devices=1,
        logger=CSVLogger(folder, name="log", flush_logs_every_n_steps=50),
        callbacks=[keep, *(callbacks or [])],
        gradient_clip_val=1.0,
        log_every_n_steps=25,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    with threads(part.threads):
        trainer.fit(part, ckpt_path=str(last) if last.exists() else None, weights_only=False)
    part.eval().requires_grad_(False)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """PyTorch works with this many threads within."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
