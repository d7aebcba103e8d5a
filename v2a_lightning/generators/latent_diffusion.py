"""Latent diffusion of log-mels on one CLAP embedding, from diffusers' maintained parts and transformers' HiFi-GAN."""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from v2a_lightning.checkpoints.frozen_model import FrozenModel, Precision, checkpoint_files
from v2a_lightning.encoders.clap import ClapEncoder
from v2a_lightning.encoders.log_mel import AUDIOLDM_MEL, MelSpec, audioldm_log_mel
from v2a_lightning.errors import UsageError
from v2a_lightning.generators.base import Agreement, Condition, Generator
from v2a_lightning.generators.clap_match import compare
from v2a_lightning.generators.diffusion_folder import (
    SAMPLERS,
    Sampler,
    make_scheduler,
    read_unconditional,
    read_unet,
    read_vae,
    read_vocoder,
    scheduler_config,
)
from v2a_lightning.randomness import generators, randn

DECODED_SECONDS = 48.0
"""Of sound that the autoencoder and the vocoder make at once."""


class ClapLatentDiffusion(FrozenModel, Generator):
    """A latent diffusion model of log-mels, conditioned on one CLAP embedding.

    Args:
        checkpoint: a folder in diffusers' layout, or anything `checkpoints.registry.resolve` finds one by.
        steps: denoising steps. The originals sample 200.
        guidance: classifier-free guidance scale, by default the publisher's; up to 1 means none.
        sampler: `ddim`, `ddpm` or `dpm++` over the folder's own noise schedule.
        eta: share of DDPM's noise that DDIM adds at each step; the original AudioLDM samples with 1.
        head_counts: attention heads at each level of the UNet, in place of the folder's. Published folders of the small
            models say 8 throughout where the originals were trained with [4, 8, 12, 20].
        batch_size: clips denoised at once.
        dtype: precision of the UNet. The autoencoder and the vocoder stay in float32: they take little of the time.
        clap: computes targets; by default the CLAP that the checkpoint holds.
        scheduler: config of another of diffusers' schedulers, with its `_class_name`, in place of `sampler`.
    """

    published_guidance: ClassVar[float]
    parts: ClassVar[tuple[str, ...]] = ("unet", "vae", "vocoder", "scheduler")
    """Folders without which a checkpoint is none of this kind."""
    advice: ClassVar[str] = ""
    reports_steps: bool = True
    bytes_per_second: float = 34e6
    """Memory of the small models for each second of each clip at once, float32, beside the weights; measured by
    `python -m tests.full.generation_memory`."""

    def __init__(
        self,
        checkpoint: str = "miniature",
        steps: int = 50,
        guidance: float | None = None,
        sampler: Sampler = "ddim",
        eta: float = 0.0,
        head_counts: list[int] | None = None,
        batch_size: int = 8,
        dtype: Precision = "float32",
        clap: ClapEncoder | None = None,
        scheduler: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(checkpoint, dtype)
        if sampler not in SAMPLERS:
            raise UsageError(f"{self.kind} sampler {sampler!r} is not one of {', '.join(SAMPLERS)}")
        if steps < 1 or batch_size < 1:
            raise UsageError(f"{self.kind} steps and batch_size are at least 1, not {steps} and {batch_size}")
        if eta and sampler != "ddim":
            raise UsageError(f"{self.kind} eta is ddim's; with sampler {sampler} leave it at 0")
        self.steps = steps
        self.guidance = self.published_guidance if guidance is None else guidance
        self.sampler: Sampler = sampler
        self.eta = eta
        self.head_counts = head_counts
        self.batch_size = batch_size
        self.clap = clap or ClapEncoder(checkpoint)
        self._scheduler = scheduler

    @property
    def scheduler(self) -> Any:
        """A scheduler as it samples with; `scheduler = X.from_config(scheduler.config)` puts another in its place."""
        return make_scheduler(self.path, self.sampler, self._scheduler)

    @scheduler.setter
    def scheduler(self, scheduler: Any) -> None:
        self._scheduler = scheduler_config(scheduler)

    def describe(self) -> dict[str, Any]:
        described = super().describe()
        # Descriptions of earlier versions, which are compared with, have no such key.
        del described["init_args"]["scheduler"]
        if self._scheduler is not None:
            described["init_args"]["scheduler"] = self._scheduler
        return described

    @property
    def sample_rate(self) -> int:
        return self.mel.sample_rate

    @property
    def condition(self) -> Condition:
        """One CLAP embedding, as wide as the UNet takes it: 512."""
        return Condition(1, int(self._part("unet").config.projection_class_embeddings_input_dim), normalized=True)

    @property
    def mel(self) -> MelSpec:
        """The log-mel that the autoencoder and the vocoder work on; rate, hop and bins are the vocoder's."""
        config = self._part("vocoder").config
        hop = math.prod(config.upsample_rates)
        return replace(AUDIOLDM_MEL, sample_rate=config.sampling_rate, hop=hop, bins=config.model_in_dim)

    @property
    def attention_heads(self) -> list[int]:
        heads = self._part("unet").config.attention_head_dim
        levels = len(self._part("unet").config.block_out_channels)
        return [heads] * levels if isinstance(heads, int) else list(heads)

    @property
    def latent_factor(self) -> int:
        return int(2 ** (len(self._part("vae").config.block_out_channels) - 1))

    def summary(self) -> str:
        heads = "/".join(map(str, self.attention_heads))
        return f"{self.condition.width} wide, {self.sample_rate} Hz, {heads} attention heads"

    def files(self) -> list[Path]:
        return checkpoint_files(self.checked_folder())

    def settings(self) -> dict[str, Any]:
        """Head counts: they change the sound and stand in no file."""
        return {"head_counts": self.head_counts}

    def agreement(self, encoder: Any) -> Agreement:
        clap = encoder.clap if isinstance(encoder, ClapLatentDiffusion) else encoder
        if not isinstance(clap, ClapEncoder):
            return Agreement(False, f"{encoder.name} is no CLAP")
        return compare(clap, self.path)

    def sampling(self, steps: int | None = None, guidance: float | None = None) -> dict[str, Any]:
        steps = self.steps if steps is None else steps
        guidance = self.guidance if guidance is None else guidance
        if steps < 1:
            raise UsageError(f"steps ({self.kind}'s) is at least 1, not {steps}")
        if not 0 <= guidance < math.inf:
            raise UsageError(f"guidance ({self.kind}'s) is a number of at least 0, not {guidance:g}")
        return {"steps": steps, "guidance": guidance}

    def target(
        self, waveforms: Tensor | NDArray[np.float32], sample_rate: int, labels: Sequence[str] | None = None
    ) -> Tensor:
        """(B, 1, D) CLAP's audio embeddings of waveforms (B, samples); UsageError without a CLAP."""
        return self._clap().encode_audio(waveforms, sample_rate)[:, None]

    def target_of_text(self, texts: Sequence[str]) -> Tensor:
        """(B, 1, D) CLAP's embeddings of texts, on the model's device."""
        return self._clap().encode_text(texts)[:, None]

    def _clap(self) -> ClapEncoder:
        try:
            self.clap.load()
        except UsageError as error:
            raise UsageError(f"{self.name}: give clap, which computes the targets ({error})") from error
        return self.clap.to(self.device)

    @torch.no_grad()
    def generate(
        self,
        condition: Tensor,
        *,
        seconds: float,
        seeds: Sequence[int],
        steps: int | None = None,
        guidance: float | None = None,
        on_step: Callable[[], None] | None = None,
    ) -> Tensor:
        """See `Generator.generate`. Conditions are L2-normalised here once more.

        The same condition and seed give the same waveform in any batch: bit for bit with a `batch_size` of 1, within a
        step of 16-bit sound otherwise, as matrix libraries sum in another order.
        """
        rows = self.checked(condition, seeds, seconds)[:, 0]
        if self.latent_factor * self.mel.hop > seconds * self.sample_rate:
            raise ValueError(f"{seconds} seconds are less than one latent step")
        options = self.sampling(steps, guidance)
        embeddings = nn.functional.normalize(rows, dim=-1)
        samples = round(seconds * self.sample_rate)
        waveforms = [torch.empty(0, samples)]
        for start in range(0, len(embeddings), self.batch_size):
            batch = slice(start, start + self.batch_size)
            latents = self._denoise(embeddings[batch], seconds, generators(seeds[batch]), on_step=on_step, **options)
            waveforms.append(self.decode(latents)[:, :samples].cpu())
        return torch.cat(waveforms)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, C, T / factor, bins / factor) to waveforms (B, about T x hop), a few at once: these parts take
        more memory than the UNet and no less time a clip in larger batches."""
        vae, vocoder = self._part("vae"), self._part("vocoder")
        seconds = latents.shape[2] * self.latent_factor * self.mel.hop / self.sample_rate
        scaled = latents.to(self.device, torch.float32) / vae.config.scaling_factor
        pieces = scaled.split(max(1, int(DECODED_SECONDS / seconds)))
        return torch.cat([vocoder(vae.decode(piece).sample.squeeze(1)) for piece in pieces])

    @torch.no_grad()
    def encode(self, waveforms: Tensor) -> Tensor:
        """Waveforms (B, samples) at `sample_rate` to latents (B, C, T / factor, bins / factor), the posterior's mean.

        The log-mel is padded at its end with silence to a multiple of the factor.
        """
        vae = self._part("vae")
        mel = audioldm_log_mel(waveforms.to(self.device, torch.float32), self.mel)
        missing = -mel.shape[1] % self.latent_factor
        mel = nn.functional.pad(mel, (0, 0, 0, missing), value=math.log(1e-5))
        latents: Tensor = vae.encode(mel.unsqueeze(1)).latent_dist.mode() * vae.config.scaling_factor
        return latents

    def _denoise(
        self,
        embeddings: Tensor,
        seconds: float,
        noise: list[torch.Generator],
        steps: int,
        guidance: float,
        on_step: Callable[[], None] | None,
    ) -> Tensor:
        """From noise to latents (B, C, T / factor, bins / factor), float32 throughout: each of hundreds of steps moves
        them by less than half precision resolves. Only the UNet sees them in its own.

        The schedule stays on the CPU, where diffusers looks its numbers up: nothing here waits for a GPU.
        """
        unet, scheduler = self._part("unet"), self.scheduler
        condition = self._doubled(embeddings, guided=guidance > 1)
        scheduler.set_timesteps(steps)
        latents: Tensor = randn(self._latent_shape(len(embeddings), seconds), noise, self.device, torch.float32)
        latents = latents * scheduler.init_noise_sigma
        for step, placed in zip(scheduler.timesteps, scheduler.timesteps.to(self.device), strict=True):
            doubled = torch.cat([latents] * (len(condition) // len(latents)))
            doubled = scheduler.scale_model_input(doubled, step).to(self.dtype)
            predicted = unet(doubled, placed, encoder_hidden_states=None, class_labels=condition).sample.float()
            if guidance > 1:
                unconditional, conditional = predicted.chunk(2)
                predicted = unconditional + guidance * (conditional - unconditional)
            latents = scheduler.step(predicted, step, latents, **self._noise_of(scheduler, latents, noise)).prev_sample
            if on_step is not None:
                on_step()
        return latents

    def _noise_of(self, scheduler: Any, latents: Tensor, noise: list[torch.Generator]) -> dict[str, Any]:
        """What a scheduler's step is given for the noise it adds, if any; row i is drawn from generator i."""
        takes = inspect.signature(scheduler.step).parameters
        share = {"eta": self.eta} if "eta" in takes else {}
        if self.eta and "variance_noise" in takes:
            return {**share, "variance_noise": randn(latents.shape, noise, self.device, torch.float32)}
        return {**share, "generator": noise}

    def _doubled(self, embeddings: Tensor, guided: bool) -> Tensor:
        """(B, D), or (2 B, D) with the unconditional half first."""
        embeddings = embeddings.to(self.device, self.dtype)
        if not guided:
            return embeddings
        return torch.cat([self._part("unconditional").to(embeddings).expand_as(embeddings), embeddings])

    def _latent_shape(self, batch: int, seconds: float) -> tuple[int, int, int, int]:
        """The mel's frames are rounded up to a multiple of the latent factor; the waveform is cut to its length."""
        factor, channels = self.latent_factor, self._part("unet").config.in_channels
        frames = math.ceil(round(seconds * self.sample_rate) / self.mel.hop)
        return batch, channels, math.ceil(frames / factor), self.mel.bins // factor

    def checked_folder(self) -> Path:
        """The checkpoint's folder; UsageError when a part is missing."""
        if missing := [name for name in self.parts if not (self.path / name).is_dir()]:
            what = f"{self.path} is no {type(self).__name__} folder in diffusers' layout"
            raise UsageError(f"{what}: it has no {', '.join(missing)}{self.advice}")
        return self.path

    def _load(self) -> dict[str, Any]:
        path = self.checked_folder()
        unet, unconditional = read_unet(path, self.head_counts), read_unconditional(path)
        width = unet.config.projection_class_embeddings_input_dim
        if len(unconditional) != width:
            raise UsageError(f"{path}: the unconditional embedding has {len(unconditional)} numbers, the UNet {width}")
        make_scheduler(path, self.sampler, self._scheduler)  # found out now rather than with the first sound
        return {"unet": unet, "vae": read_vae(path), "vocoder": read_vocoder(path), "unconditional": unconditional}

    def _place(self, name: str, part: Any) -> Any:
        placed = super()._place(name, part)
        return placed.float() if name in ("vae", "vocoder") else placed
