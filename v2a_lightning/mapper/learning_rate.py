"""The learning rate over a run."""

import math

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class WarmupCosine(LRScheduler):
    """A straight warm-up from near zero, then half a cosine down to `final` of the learning rate.

    Args:
        optimizer: whose learning rates are scheduled, step by step.
        warmup_steps: optimiser steps until the full learning rate.
        total_steps: optimiser steps of the run. Left out, V2AMapper fills in the Trainer's number; without either, the
            rate stays constant after the warm-up.
        final: share of the learning rate that is left at the end.
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: int = 50, total_steps: int | None = None, final: float = 0.0
    ) -> None:
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.final = final
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """Learning rate of each parameter group at the coming step."""
        factor = self._factor(self.last_epoch)
        return [rate * factor for rate in self.base_lrs]

    def _factor(self, step: int) -> float:
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        if self.total_steps is None:
            return 1.0
        share = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
