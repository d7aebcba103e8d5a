"""From noise to a target in any number of steps: what is done between two predictions of the target.

A sampler has `times`, the (S,) timesteps at which the target is predicted, and `step(target, x, index)`, which takes a
noisy x (B, N, D) from `times[index]` to the next of them, or to the end.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.randomness import Generators, randn


def trailing_times(timesteps: int, steps: int) -> Tensor:
    """(S,) evenly spaced timesteps from the last, which is full noise, downwards ("trailing", Lin et al. 2024)."""
    return torch.from_numpy(np.round(timesteps * np.arange(steps, 0, -1) / steps).astype(np.int64) - 1)


class DDIM:
    """Denoising diffusion implicit models (Song et al. 2021, equations 12 and 16), given predicted targets.

    `kept` (T,) are the schedule's cumulative products, from little noise to full noise, and `eta` (0 to 1) is the noise
    put back: with 1 each step draws from the posterior of DDPM. The last of 1 to T steps ends at the target itself.
    """

    def __init__(self, kept: Tensor, steps: int, eta: float, generator: Generators) -> None:
        self.times = trailing_times(len(kept), steps)
        self.generator = generator
        now = kept[self.times]
        then = torch.cat([now[1:], now.new_ones(1)])
        self.now, self.then = now, then
        self.spread = eta * ((1 - then) / (1 - now) * (1 - now / then)) ** 0.5
        # Of the first step, which keeps no noise where all is noise, rounding makes a little less than zero.
        self.noise_kept = (1 - then - self.spread**2).clamp(min=0) ** 0.5

    def step(self, target: Tensor, x: Tensor, index: int) -> Tensor:
        now = self.now[index]
        noise = (x - now**0.5 * target) / (1 - now) ** 0.5
        x = self.then[index] ** 0.5 * target + self.noise_kept[index] * noise
        spread = self.spread[index]
        return x + spread * randn(x.shape, self.generator, x.device) if spread > 0 else x


class DPMSolver:
    """DPM-Solver++ of second order (Lu et al. 2022) by diffusers, given predicted targets and the betas (T,)."""

    def __init__(self, betas: Tensor, steps: int) -> None:
        from diffusers import DPMSolverMultistepScheduler

        scheduler: Any = DPMSolverMultistepScheduler(
            num_train_timesteps=len(betas),
            trained_betas=betas.numpy(),
            prediction_type="sample",
            timestep_spacing="trailing",
            # Where the cosine schedule leaves no signal its log ratio is infinite; diffusers names this bound.
            lambda_min_clipped=-5.1,
        )
        scheduler.set_timesteps(steps)
        self.scheduler, self.times = scheduler, scheduler.timesteps

    def step(self, target: Tensor, x: Tensor, index: int) -> Tensor:
        output: Tensor = self.scheduler.step(target, self.times[index], x).prev_sample
        return output
