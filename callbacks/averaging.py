"""An exponential moving average of the weights that forgets where training began, however few steps there are."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from v2a_lightning.errors import UsageError
from v2a_lightning.signals import in_one_piece


class ExponentialAverage(WeightAveraging):
    """Averages the weights after every optimiser step, with a decay that warms up.

    The n-th update keeps `1 - (1 + n / inv_gamma) ** -power` of the average, at least `min_decay` and at most `decay`:
    that of ema_pytorch, which the public prior uses. A constant decay of 0.9999 would still hold a third of the first
    weights after 10,000 steps; this one holds none after a few hundred.

    Validation, checkpoints and the end of training have the average in the model, once it has begun.

    Args:
        decay: largest share of the average that an update keeps.
        power: how fast the decay grows.
        inv_gamma: how many updates it takes to begin growing.
        min_decay: smallest share of the average that an update keeps.
        update_starting_at_step: optimiser step, from 0, after which the average begins.
    """

    def __init__(
        self,
        decay: float = 0.9999,
        power: float = 2 / 3,
        inv_gamma: float = 1.0,
        min_decay: float = 0.0,
        update_starting_at_step: int = 0,
    ) -> None:
        if not 0 <= min_decay <= decay <= 1:
            raise UsageError(f"averaging: 0 <= min_decay <= decay <= 1 does not hold for {min_decay} and {decay}")
        if power <= 0 or inv_gamma <= 0:
            raise UsageError(f"averaging: power and inv_gamma are above 0, not {power} and {inv_gamma}")
        super().__init__()
        self.decay = decay
        self.power = power
        self.inv_gamma = inv_gamma
        self.min_decay = min_decay
        self.update_starting_at_step = update_starting_at_step
        self._in_model = False

    def decay_at(self, update: int) -> float:
        """The share of the average that an update keeps; number 0 copies the weights."""
        grown: float = 1 - (1 + update / self.inv_gamma) ** -self.power
        return min(self.decay, max(self.min_decay, grown))

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """After every optimiser step from the first averaged one on."""
        return step_idx is not None and step_idx >= self.update_starting_at_step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the average to where the model is by now; how many updates it had stays where it is read."""
        if self._average_model is not None:
            self._average_model.to(pl_module.device)
            self._average_model.n_averaged = self._average_model.n_averaged.cpu()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Take the weights into the average, once an optimiser step."""
        step = trainer.global_step
        if step > self._latest_update_step and self.should_update(step - 1):
            assert self._average_model is not None
            self.update(self._average_model, pl_module)
            self._latest_update_step = step

    @torch.no_grad()
    def update(self, average: AveragedModel, model: nn.Module) -> None:
        """Take the parameters and buffers of `model` into its average; the first time, and counters, copy them."""
        updates = int(average.n_averaged.numpy())
        averages: list[Tensor] = []
        weights: list[Tensor] = []
        for kept, current in zip(_tensors(average.module), _tensors(model), strict=True):
            if updates == 0 or not kept.is_floating_point():
                kept.copy_(current)
            else:
                averages.append(kept)
                weights.append(current)
        if averages:
            torch._foreach_lerp_(averages, weights, 1 - self.decay_at(updates))
        average.n_averaged += 1

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the average into the model."""
        if self._average_model is not None:
            self._follow_until_begun(pl_module)
            self._swap(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the trained weights back."""
        if self._in_model:
            self._swap(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Put the trained weights back when a validation was stopped, before anybody saves them."""
        if self._in_model:
            self._swap(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the average in the model."""
        self._follow_until_begun(pl_module)
        super().on_train_end(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the average as the checkpoint's weights, and the trained ones beside them."""
        if self._average_model is not None:
            self._follow_until_begun(pl_module)
        super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def _swap(self, pl_module: LightningModule) -> None:
        with in_one_piece():
            self._swap_models(pl_module)
            self._in_model = not self._in_model

    def _follow_until_begun(self, pl_module: LightningModule) -> None:
        assert self._average_model is not None
        if self._average_model.n_averaged == 0:
            self._average_model.module.load_state_dict(pl_module.state_dict())


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    return chain(module.parameters(), module.buffers())
