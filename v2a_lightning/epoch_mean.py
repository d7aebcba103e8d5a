"""The mean of a logged value over an epoch, which a run that was stopped in the epoch's middle goes on with."""

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor


class EpochMean:
    """Over all clips of all processes. Lightning's own would be of the rest of the epoch alone after a resume."""

    def __init__(self) -> None:
        self._epoch = -1
        self._sums: Tensor | None = None

    def forget(self) -> None:
        """Begin anew."""
        self._sums = None

    def update(self, epoch: int, value: Tensor, count: int) -> None:
        """Take the mean of `count` clips, (), into that of an epoch; another epoch's is forgotten."""
        new = torch.stack([value.detach().float() * count, value.new_full((), count, dtype=torch.float32)])
        self._sums = new if self._sums is None or epoch != self._epoch else self._sums.to(new.device) + new
        self._epoch = epoch

    def log(self, module: LightningModule, name: str) -> None:
        """Log the mean of the module's epoch at its end, unless nothing of it was seen."""
        if self._sums is not None and self._epoch == module.current_epoch:
            total, count = self._of_all(module)
            module.log(name, total / count, prog_bar=True, sync_dist=True)

    def state_dict(self, module: LightningModule) -> dict[str, Any]:
        """For a checkpoint; to be called in every process, as the saving of a checkpoint is."""
        return {} if self._sums is None else {"epoch": self._epoch, "sums": self._of_all(module).cpu()}

    def load_state_dict(self, state: dict[str, Any], rank: int = 0) -> None:
        """Go on; the first process takes what all of them had."""
        self._epoch = state.get("epoch", -1)
        self._sums = state["sums"] * (rank == 0) if state else None

    def _of_all(self, module: LightningModule) -> Tensor:
        assert self._sums is not None
        sums: Tensor = module.trainer.strategy.reduce(self._sums.to(module.device, copy=True), reduce_op="sum")
        return sums
