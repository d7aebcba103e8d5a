"""The checkpoint that a run goes on from, written as often as a lost machine would hurt."""

from time import monotonic

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from v2a_lightning.errors import UsageError


class LastCheckpoint(ModelCheckpoint):
    """Writes `last.ckpt` at the end of an epoch, if the one before is old enough, and at the end of the last epoch.

    On a GPU an epoch takes seconds, and so does a checkpoint with weights, their average and an optimiser's moments.

    Args:
        minutes: how much training may be lost; 0 for a checkpoint after every epoch.
    """

    def __init__(self, minutes: float = 10.0) -> None:
        if minutes < 0:
            raise UsageError(f"LastCheckpoint: minutes is at least 0, not {minutes}")
        super().__init__(filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
        self.minutes = minutes
        self._written = float("-inf")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it, where the first process's clock says so."""
        is_old = monotonic() - self._written >= 60 * self.minutes
        if trainer.strategy.broadcast(is_old or _is_last_epoch(trainer)):
            super().on_train_epoch_end(trainer, pl_module)
            self._written = monotonic()


def _is_last_epoch(trainer: Trainer) -> bool:
    ends = (trainer.current_epoch + 1, trainer.max_epochs), (trainer.global_step, trainer.max_steps)
    return trainer.should_stop or any(now == end for now, end in ends)
