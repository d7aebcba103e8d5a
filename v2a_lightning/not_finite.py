"""Training steps whose loss or gradients are not finite: noticed before the weights are touched, and named by clip."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch import Tensor
from torch.optim import Optimizer

from v2a_lightning import devices
from v2a_lightning.errors import RunFailure

NAMED = 8

Watched = tuple[list[str], Tensor]
"""A batch: its clips, and their losses (B,)."""


class StepGuard:
    """Watches the batches of one optimiser step; the `share` of a run's steps may be left out, with 0 none.

    A loss that is not finite is made NaN, so that the gradients are in every process of a run, and all decide alike.

    On a GPU a fused optimiser leaves such a step out by itself, and `settle` finds out later: the processor does not
    wait at each step.
    """

    def __init__(self, share: float = 0.0) -> None:
        self.share = share
        self.left_out = 0
        self._batches: list[Watched] = []
        self._unread: list[tuple[int, list[Watched], Tensor]] = []

    def watch(self, clip_ids: Sequence[str], losses: Tensor) -> Tensor:
        """The mean of a batch's losses (B,), NaN where it is not finite."""
        self._batches.append((list(clip_ids), losses.detach()))
        loss = losses.mean()
        # A factor, since the gradient of a choice goes through what is not chosen, too.
        return loss * torch.where(loss.detach().isfinite(), 1.0, math.nan)

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
        batches, self._batches = self._batches, []
        if scaler is None and devices.is_remote(norm) and all(group.get("fused") for group in optimizer.param_groups):
            wrong = False
            optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
            self._unread.append((module.global_step, batches, optimizer.found_inf))  # type: ignore[attr-defined]
        elif scaler is None:
            wrong = not bool(norm.isfinite())
        else:
            # Scaled gradients overflow now and then: the scaler notices and takes a smaller factor.
            finite = all(bool(losses.isfinite().all()) for _, losses in batches)
            wrong = module.trainer.strategy.reduce_boolean_decision(not finite, all=False)
        if wrong:
            self._leave_out(module, module.global_step, batches)
            optimizer.zero_grad()
        elif value and algorithm == GradClipAlgorithmType.VALUE:
            torch.nn.utils.clip_grad_value_(parameters, value)
        elif value:
            torch.nn.utils.clip_grads_with_norm_(parameters, value, norm)
        return norm

    def settle(self, module: LightningModule) -> None:
        """Find out which of the steps since the last time the optimiser has left out; waits for the GPU.

        Raises:
            RunFailure: when these are more than may be.
        """
        unread, self._unread = self._unread, []
        if not unread:
            return
        for (step, batches, _), wrong in zip(unread, torch.stack([one[2] for one in unread]).tolist(), strict=True):
            if wrong:
                self._leave_out(module, step, batches)

    def _leave_out(self, module: LightningModule, step: int, batches: Sequence[Watched]) -> None:
        """Count the step, from 0; RunFailure names the clips when it is one too many."""
        self.left_out += 1
        steps = module.trainer.estimated_stepping_batches
        if self.left_out > self.share * (steps if math.isfinite(steps) else step + 1):
            raise RunFailure(self._message(step, batches))

    def _message(self, step: int, batches: Sequence[Watched]) -> str:
        names = [name for clip_ids, losses in batches for name in _of_losses(clip_ids, losses)]
        every = [name for clip_ids, _ in batches for name in clip_ids]
        what = "the loss is" if names else "the gradients are"
        counted = f" (the {self.left_out}th such step)" if self.left_out > 1 else ""
        return (
            f"training step {step}: {what} not finite{counted}, with the clips {_listed(names or every)}; it has left "
            "the weights as they were. See whether these clips' embeddings are right, or lower the learning rate"
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
