"""Training steps whose loss or gradients are not finite: noticed before the weights are touched, and named by clip."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch import Tensor
from torch.optim import Optimizer

from v2a_lightning.errors import RunFailure

NAMED = 8


class StepGuard:
    """Watches the batches of one optimiser step.

    A loss that is not finite is made NaN, so that its gradients are, too, in every process of a run: they then agree
    on what to do with the step without asking one another.

    Args:
        share: how many of the run's steps may be left out; 0 stops at the first.
    """

    def __init__(self, share: float = 0.0) -> None:
        self.share = share
        self.left_out = 0
        self._batches: list[tuple[list[str], Tensor]] = []

    def watch(self, clip_ids: Sequence[str], losses: Tensor) -> Tensor:
        """The mean of a batch's losses (B,), NaN where it is not finite."""
        self._batches.append((list(clip_ids), losses.detach()))
        loss = losses.mean()
        # A factor, since the gradient of a choice goes through what is not chosen, too.
        return loss * torch.where(loss.detach().isfinite(), 1.0, math.nan)

    def losses_are_finite(self) -> bool:
        return all(bool(losses.isfinite().all()) for _, losses in self._batches)

    def clip(
        self, module: LightningModule, optimizer: Optimizer, value: float, algorithm: str | None, scaler: Any = None
    ) -> Tensor:
        """Clip gradients to `value` (0: not at all) by elements or by their norm, and leave out a step whose are not
        finite.

        `scaler` is the loss's, whose factor is taken off. Returns the norm before clipping, ().

        Raises:
            RunFailure: when more steps have to be left out than may be.
        """
        if scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
            scaler.unscale_(optimizer)
        parameters = [one for group in optimizer.param_groups for one in group["params"] if one.grad is not None]
        norm = torch.nn.utils.get_total_norm([one.grad for one in parameters])
        if scaler is None:
            wrong = not bool(norm.isfinite())
        else:
            # Scaled gradients overflow now and then: the scaler notices and takes a smaller factor.
            wrong = module.trainer.strategy.reduce_boolean_decision(not self.losses_are_finite(), all=False)
        if wrong:
            self.leave_out(module.global_step, module.trainer.estimated_stepping_batches)
            optimizer.zero_grad()
        elif value and algorithm == GradClipAlgorithmType.VALUE:
            torch.nn.utils.clip_grad_value_(parameters, value)
        elif value:
            torch.nn.utils.clip_grads_with_norm_(parameters, value, norm)
        self.next_step()
        return norm

    def leave_out(self, step: int, steps: float) -> None:
        """Count the step, from 0, of a run of `steps`; RunFailure names the clips when it is one too many."""
        self.left_out += 1
        if self.left_out > self.share * (steps if math.isfinite(steps) else step + 1):
            raise RunFailure(self._message(step))

    def next_step(self) -> None:
        self._batches = []

    def _message(self, step: int) -> str:
        names = [name for clip_ids, losses in self._batches for name in _of_losses(clip_ids, losses)]
        every = [name for clip_ids, _ in self._batches for name in clip_ids]
        what = "the loss is" if names else "the gradients are"
        counted = f" (the {self.left_out}th such step)" if self.left_out > 1 else ""
        return (
            f"training step {step}: {what} not finite{counted}, with the clips {_listed(names or every)}; the weights "
            "are as they were before it. See whether these clips' embeddings are right, or lower the learning rate"
        )


def refuse_not_finite(clip_ids: Sequence[str], rows: Tensor, what: str) -> None:
    """RunFailure, naming the clips whose row of (B, ...) is not finite."""
    names = _of_losses(clip_ids, rows.flatten(1).sum(1) if rows.ndim > 1 else rows)
    if names:
        raise RunFailure(f"{what} is not finite for the clips {_listed(names)}")


def _of_losses(clip_ids: Sequence[str], losses: Tensor) -> list[str]:
    finite = losses.isfinite().tolist()
    return [name for name, is_finite in zip(clip_ids, finite, strict=True) if not is_finite]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
