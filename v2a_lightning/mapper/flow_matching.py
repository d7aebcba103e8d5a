"""A second generative objective: straight paths from noise to the target."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.devices import send
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper.base import TIME_RANGE, WIDTH, Network, Objective, uniform
from v2a_lightning.mapper.guidance import ConditionDropout
from v2a_lightning.randomness import Generators, randn


class FlowMatching(Objective):
    """Conditional flow matching on straight paths (Lipman et al. 2023; rectified flow, Liu et al. 2023).

    The network sees `(1 - s) * target * sqrt(D) + s * noise` at a level `s` drawn evenly from [0, 1) and predicts the
    velocity `noise - target * sqrt(D)`; sampling follows it from noise to target by Euler's method.

    Args:
        dim: width of a condition; 512 when not given.
        condition_dropout: share of training samples whose condition is dropped.
        shift: above 1, sampling spends more of its steps at high noise; below 1, at low.
        target_scale: see `Objective`.
    """

    def __init__(
        self, dim: int | None = None, condition_dropout: float = 0.1, shift: float = 1.0,
        target_scale: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dim or WIDTH, target_scale)
        if shift <= 0:
            raise UsageError(f"shift is above 0, not {shift}")
        self.shift = shift
        self.conditions = ConditionDropout(dim or WIDTH, condition_dropout)

    def loss(self, network: Network, condition: Tensor, target: Tensor, generator: Generators) -> Tensor:
        """See `Objective.loss`; here predicting zero costs about 2, the target's variance and the noise's."""
        target = self.scaled(target)
        level = uniform(len(target), generator, target.device)
        condition = self.conditions(condition, generator)
        noise = randn(target.shape, generator, target.device, target.dtype)
        noisy = torch.lerp(target, noise, level[:, None, None])
        prediction = network(noisy, level * TIME_RANGE, condition)
        return F.mse_loss(prediction.float(), noise - target, reduction="none").flatten(1).mean(-1)

    @torch.no_grad()
    def sample(self, network: Network, condition: Tensor, steps: int, guidance: float, generator: Generators) -> Tensor:
        from diffusers import FlowMatchEulerDiscreteScheduler

        if steps < 1:
            raise UsageError(f"sampling_steps is {steps}: give at least 1")
        scheduler: Any = FlowMatchEulerDiscreteScheduler(num_train_timesteps=int(TIME_RANGE), shift=self.shift)
        scheduler.set_timesteps(steps)
        denoise = self.conditions.denoiser(network, condition, send(scheduler.timesteps, condition.device), guidance)
        x = randn((len(condition), *network.target_shape), generator, condition.device)
        for step, t in enumerate(scheduler.timesteps):
            x = scheduler.step(denoise(x, step).float(), t, x).prev_sample
        return self.unscaled(x)
