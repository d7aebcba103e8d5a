"""Solves a network in closed form from the whole training set when a fit begins."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from v2a_lightning.errors import UsageError
from v2a_lightning.mapper.gathering import gather_clips


class SolveClosedForm(Callback):
    """Gives the network's `solve` all training pairs, unless a checkpoint has brought the solution."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Solve before averages of the weights begin; UsageError without a data module or for targets of any length."""
        mapper: Any = pl_module
        if mapper.network.solved:
            return
        mapper.network.solve(*(table.to(mapper.device) for table in _training_pairs(trainer, mapper)))
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging):
                # Its average was copied from the unsolved mapper.
                callback.setup(trainer, mapper, "fit")


def _training_pairs(trainer: Trainer, mapper: Any) -> tuple[Tensor, Tensor]:
    """Conditions (P, C) and targets (P, N, D) of the whole training set."""
    datamodule = trainer.datamodule  # type: ignore[attr-defined]
    name = type(mapper.network).__name__
    if datamodule is None:
        raise UsageError(f"{name} is solved from the whole training set: give the Trainer a datamodule")
    if mapper.objective.target_scale is not None:
        raise UsageError(f"{name} is solved for L2-normalised targets: leave model.objective's target_scale out")
    # A loader of its own: the Trainer's is not there yet, and has a position to keep.
    names: list[str] = []
    pairs: list[tuple[Tensor, Tensor]] = []
    generator = torch.Generator(mapper.device).manual_seed(mapper.seed)
    for batch in datamodule.train_dataloader():
        batch = trainer.strategy.batch_to_device(batch, mapper.device)
        condition = mapper.condition(mapper.aggregator, batch["frames"], batch["frame_mask"], generator)
        names.extend(batch["clip_id"])
        pairs.append((condition.detach().cpu(), batch["target"].cpu()))
    conditions, targets = (torch.cat(column) for column in zip(*pairs, strict=True))
    conditions, targets = gather_clips(names, conditions, F.normalize(targets, dim=-1))
    return conditions, targets
