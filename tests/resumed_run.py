"""A small training run in a process of its own, which may be killed in the middle: see test_resume.py."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from tests.mapper.small import PairsModule, narrow_transformer
from v2a_lightning.callbacks import ExponentialAverage
from v2a_lightning.mapper import Diffusion, RandomFrame, WarmupCosine
from v2a_lightning.module import V2AMapper


class Kill(Callback):
    """Ends the process, as a scheduler would, when a step has been taken."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def fit(*callbacks: Callback, ckpt_path: Path | None = None, workers: int = 0, **options: Any) -> V2AMapper:
    """Three epochs of six steps, with everything that draws: frames, dropout, noise, timesteps, dropped conditions."""
    torch.manual_seed(0)
    mapper = V2AMapper(
        narrow_transformer(dropout=0.2),
        Diffusion(),
        RandomFrame(),
        optimizer=lambda p: torch.optim.AdamW(p, lr=1e-2),
        lr_scheduler=lambda o: WarmupCosine(o, warmup_steps=3, total_steps=18),
        sampling_steps=2,
        seed=1,
    )
    torch.manual_seed(int.from_bytes(os.urandom(4), "big"))  # nothing may depend on the global stream
    trainer = Trainer(
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        callbacks=[ExponentialAverage(decay=0.8), *callbacks],
        **{"max_epochs": 3, "logger": False, **options},
    )
    trainer.fit(mapper, datamodule=PairsModule(workers=workers), ckpt_path=ckpt_path)
    return mapper


def checkpoints(folder: Path, **options: Any) -> ModelCheckpoint:
    return ModelCheckpoint(folder, filename="{step}", save_top_k=-1, **options)


if __name__ == "__main__":
    fit(checkpoints(Path(sys.argv[1]), every_n_train_steps=4), Kill(10))
