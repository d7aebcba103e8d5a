"""Runs of two processes, whose scores are written to a file: see test_two_processes.py."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging

from tests.mapper.small import PairsModule, small_transformer
from v2a_lightning.mapper import AttentionPooling, Diffusion, FlowMatching, Regression, RidgeRegression
from v2a_lightning.module import V2AMapper

KINDS: dict[str, Any] = {
    "diffusion": {},
    "flow matching": {"objective": FlowMatching},
    "regression": {"objective": Regression},
    "plain descent": {"objective": Regression, "optimizer": lambda: partial(torch.optim.SGD, lr=0.1)},
    "closed form": {"objective": Regression, "network": RidgeRegression},
}


def mapper(kind: str = "diffusion") -> V2AMapper:
    torch.manual_seed(0)
    parts = {"network": small_transformer, "objective": Diffusion, "aggregator": AttentionPooling, **KINDS[kind]}
    return V2AMapper(**{name: make() for name, make in parts.items()}, sampling_steps=3, seed=1)


def trainer(devices: int) -> Trainer:
    return Trainer(
        accelerator="cpu",
        devices=devices,
        use_distributed_sampler=False,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        max_epochs=1,
        callbacks=[EMAWeightAveraging(decay=0.5)],
    )


def validated(clips: int, devices: int) -> dict[str, float]:
    """Scores of an untrained mapper; with two processes and seven clips in batches of two, shards are 4 and 3."""
    (scores,) = trainer(devices).validate(mapper(), datamodule=PairsModule(validation=clips), verbose=False)
    return scores


def trained(kind: str, devices: int) -> dict[str, float]:
    """Steps taken, and scores of nine clips: three batches of validation for one process and two for the other."""
    run = trainer(devices)
    run.fit(mapper(kind), datamodule=PairsModule(training=18, validation=9))
    return {name: float(value) for name, value in run.callback_metrics.items()} | {"steps": run.global_step}


if __name__ == "__main__":
    scores = {f"{clips} clips": validated(clips, devices=2) for clips in (2, 7)}
    scores |= {kind: trained(kind, devices=2) for kind in KINDS}
    if trainer(2).is_global_zero:
        Path(sys.argv[1]).write_text(json.dumps(scores))
