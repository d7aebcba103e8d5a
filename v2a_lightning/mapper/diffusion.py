"""The generative objective of the paper: denoising diffusion of the audio embedding, on diffusers' schedules."""

from functools import cached_property
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.devices import send
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper.base import TIME_RANGE, WIDTH, Network, Objective, uniform
from v2a_lightning.mapper.guidance import ConditionDropout
from v2a_lightning.mapper.samplers import DDIM, DPMSolver
from v2a_lightning.randomness import Generators, randn

BetaSchedule = Literal["squaredcos_cap_v2", "linear", "scaled_linear", "sigmoid"]
PredictionType = Literal["sample", "epsilon", "v_prediction"]
SamplerName = Literal["ddpm", "ddim", "dpm++"]


class Diffusion(Objective):
    """Denoising diffusion with classifier-free guidance.

    The network sees `sqrt(a) * target * sqrt(D) + sqrt(1 - a) * noise` at a timestep drawn evenly, `a` being the
    schedule's cumulative product, and predicts the target, the noise or the velocity. The loss is the mean square
    over elements.

    While sampling, every token of a predicted target is clamped to the ball of radius sqrt(D) that holds all scaled
    embeddings and their means. A model that predicts the target well never leaves it; it bounds what division by a
    vanishing signal does to the other two predictions, and what a large guidance scale does to all.

    Args:
        dim: width of a condition; 512 when not given.
        timesteps: training timesteps.
        beta_schedule: diffusers' name of the noise schedule; "squaredcos_cap_v2" is the cosine schedule. The others run
            from 1e-4 to 0.02 for 1000 timesteps, and as steeply as reaches the same noise for other numbers.
        prediction_type: what the network predicts: the target, the noise, or the velocity.
        condition_dropout: share of training samples whose condition is dropped.
        sampler: "ddim" (Song et al. 2021, equation 12), "ddpm" (Ho et al. 2020), which is "ddim" with an eta of 1, or
            "dpm++", the second-order multistep solver of diffusers (Lu et al. 2022). Any number of steps from 1 to
            `timesteps` ends at the target.
        eta: noise put back at each step of "ddim", 0 to 1: 0 is deterministic after the first noise, 1 is "ddpm".
        target_scale: see `Objective`; with it, predicted targets are not clamped.
    """

    def __init__(
        self,
        dim: int | None = None,
        timesteps: int = 1000,
        beta_schedule: BetaSchedule = "squaredcos_cap_v2",
        prediction_type: PredictionType = "sample",
        condition_dropout: float = 0.1,
        sampler: SamplerName = "ddim",
        eta: float = 1.0,
        target_scale: float | None = None,
    ) -> None:
        super().__init__(dim or WIDTH, target_scale)
        if timesteps < 1 or not 0 <= eta <= 1:
            raise UsageError(f"timesteps is at least 1 and eta from 0 to 1, not {timesteps} and {eta}")
        self.timesteps = timesteps
        self.beta_schedule = beta_schedule
        self.prediction_type = prediction_type
        self.sampler = sampler
        self.eta = eta
        self.conditions = ConditionDropout(dim or WIDTH, condition_dropout)

    @cached_property
    def schedule(self) -> Any:
        """The noise schedule that is trained on, as a diffusers DDPMScheduler."""
        from diffusers import DDPMScheduler

        steepness = 1000 / self.timesteps
        # Lightning validates in inference mode, and what is made there could not be used in training.
        with torch.inference_mode(False):
            return DDPMScheduler(
                num_train_timesteps=self.timesteps,
                beta_schedule=self.beta_schedule,
                beta_start=min(1e-4 * steepness, 0.999),
                beta_end=min(0.02 * steepness, 0.999),
                prediction_type=self.prediction_type,
                clip_sample=False,
            )

    @cached_property
    def _kept(self) -> Tensor:
        """The schedule's cumulative products (T,) on the CPU, where sampling reads them; diffusers moves its own."""
        return torch.cumprod(self.schedule.alphas, dim=0)

    def loss(self, network: Network, condition: Tensor, target: Tensor, generator: Generators) -> Tensor:
        target = self.scaled(target)
        t = (uniform(len(target), generator, target.device) * self.timesteps).long()
        condition = self.conditions(condition, generator)
        noise = randn(target.shape, generator, target.device, target.dtype)
        noisy = self.schedule.add_noise(target, noise, t)
        prediction = network(noisy, self._level(t), condition)
        expected = self._expected_prediction(target, noise, t)
        return F.mse_loss(prediction.float(), expected, reduction="none").flatten(1).mean(-1)

    @torch.no_grad()
    def sample(self, network: Network, condition: Tensor, steps: int, guidance: float, generator: Generators) -> Tensor:
        sampler = self._sampler(steps, generator)
        times = self._level(send(sampler.times, condition.device))
        denoise = self.conditions.denoiser(network, condition, times, guidance)
        x = randn((len(condition), *network.target_shape), generator, condition.device)
        for index, t in enumerate(sampler.times):
            target = self._clamped(self._predicted_target(denoise(x, index).float(), x, t))
            x = sampler.step(target, x, index)
        return self.unscaled(x)

    def _level(self, t: Tensor) -> Tensor:
        return t * (TIME_RANGE / self.timesteps)

    def _expected_prediction(self, target: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        match self.prediction_type:
            case "sample":
                return target
            case "epsilon":
                return noise
            case "v_prediction":
                output: Tensor = self.schedule.get_velocity(target, noise, t)
                return output

    def _predicted_target(self, prediction: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The target a prediction stands for at timestep `t`: the inverse of `_expected_prediction`."""
        kept = self._kept[t]
        signal, noise = kept.sqrt(), (1 - kept).sqrt()
        match self.prediction_type:
            case "sample":
                return prediction
            case "epsilon":
                return (x - noise * prediction) / signal
            case "v_prediction":
                return signal * x - noise * prediction

    def _clamped(self, target: Tensor) -> Tensor:
        if self.target_scale is not None:
            return target
        radius = target.shape[-1] ** 0.5
        output: Tensor = target * (radius / target.norm(dim=-1, keepdim=True).clamp(min=radius))
        return output

    def _sampler(self, steps: int, generator: Generators) -> DDIM | DPMSolver:
        if not 1 <= steps <= self.timesteps:
            raise UsageError(f"sampling_steps is {steps}: give 1 to {self.timesteps}, the timesteps trained on")
        if self.sampler == "dpm++":
            return DPMSolver(self.schedule.betas, steps)
        return DDIM(self._kept, steps, self.eta if self.sampler == "ddim" else 1.0, generator)
