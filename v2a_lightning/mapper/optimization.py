"""The optimiser of a run that names none, which parameters decay, and the learning rate over a run."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler


def adamw(parameters: Iterable[Any]) -> AdamW:
    """AdamW with the settings of the public prior whose size is the paper's, in one pass over the weights."""
    return AdamW(parameters, lr=1.1e-4, betas=(0.9, 0.99), eps=1e-6, weight_decay=6.02e-2, fused=True)


def parameter_groups(parameters: Sequence[nn.Parameter]) -> list[dict[str, Any]]:
    """The trainable parameters for an optimiser: those with fewer than two dimensions get no weight decay."""
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    matrices = [parameter for parameter in trainable if parameter.ndim >= 2]
    vectors = [parameter for parameter in trainable if parameter.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


class WarmupCosine(LRScheduler):
    """A straight warm-up from near zero, then half a cosine down to `final` of the learning rate.

    Args:
        optimizer: whose learning rates are scheduled, step by step.
        warmup_steps: optimiser steps until the full learning rate.
        total_steps: optimiser steps of the run. When not given, V2AMapper fills in the Trainer's number; without
            either, the rate stays constant after the warm-up.
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

    def set_run_length(self, steps: float) -> None:
        """Take a run's number of optimiser steps, if it has one and none was given."""
        if self.total_steps is None and math.isfinite(steps):
            self.total_steps = int(steps)

    def _factor(self, step: int) -> float:
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        if self.total_steps is None:
            return 1.0
        share = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
