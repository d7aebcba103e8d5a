"""AudioLDM: CLAP embeddings to sound, from diffusers' maintained parts and transformers' HiFi-GAN."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from v2a_lightning.checkpoints.frozen_model import FrozenModel, Precision, checkpoint_files
from v2a_lightning.encoders.log_mel import AUDIOLDM_MEL, MelSpec, audioldm_log_mel
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.generators.audioldm_folder import UNCONDITIONAL_FILE
from v2a_lightning.generators.audioldm_parts import (
    Sampler,
    check_folder,
    make_scheduler,
    read_unconditional,
    read_unet,
    read_vae,
    read_vocoder,
)
from v2a_lightning.generators.clap_match import SELF_TEST_FILE
from v2a_lightning.randomness import generators, randn


class AudioLDM(FrozenModel):
    """A latent diffusion model of log-mels, conditioned on CLAP embeddings.

    Args:
        checkpoint: a folder in diffusers' AudioLDM layout, or anything `foundation.registry.resolve` finds one by. A
            stored `unconditional.safetensors` replaces the text tower.
        steps: denoising steps. The original samples 200.
        guidance: classifier-free guidance scale; up to 1 means none.
        sampler: `ddim`, `ddpm` or `dpm++` over the folder's own noise schedule.
        eta: share of DDPM's noise that DDIM adds at each step; the original samples with 1.
        head_counts: attention heads at each level of the UNet, in place of the folder's. Published AudioLDM-S folders
            say 8 throughout where the original was trained with [4, 8, 12, 20].
        batch_size: clips denoised at once.
        dtype: precision of the UNet. The autoencoder and the vocoder stay in float32: they take little of the time.
    """

    kind = "audioldm"

    def __init__(
        self,
        checkpoint: str = "miniature",
        steps: int = 50,
        guidance: float = 2.5,
        sampler: Sampler = "ddim",
        eta: float = 0.0,
        head_counts: list[int] | None = None,
        batch_size: int = 8,
        dtype: Precision = "float32",
    ) -> None:
        super().__init__(checkpoint, dtype)
        if sampler not in ("ddim", "ddpm", "dpm++"):
            raise UsageError(f"audioldm sampler {sampler!r} is not one of ddim, ddpm, dpm++")
        if steps < 1 or batch_size < 1:
            raise UsageError(f"audioldm steps and batch_size are at least 1, not {steps} and {batch_size}")
        if eta and sampler != "ddim":
            raise UsageError(f"audioldm eta is ddim's; with sampler {sampler} leave it at 0")
        self.steps = steps
        self.guidance = guidance
        self.sampler: Sampler = sampler
        self.eta = eta
        self.head_counts = head_counts
        self.batch_size = batch_size

    @property
    def sample_rate(self) -> int:
        """Of the waves that come out, in Hz."""
        return self.mel.sample_rate

    @property
    def mel(self) -> MelSpec:
        """The log-mel that the autoencoder and the vocoder work on; rate, hop and bins are the vocoder's."""
        config = self._part("vocoder").config
        hop = math.prod(config.upsample_rates)
        return replace(AUDIOLDM_MEL, sample_rate=config.sampling_rate, hop=hop, bins=config.model_in_dim)

    @property
    def embedding_dim(self) -> int:
        """Width of the CLAP embeddings it takes, 512."""
        return int(self._part("unet").config.projection_class_embeddings_input_dim)

    @property
    def attention_heads(self) -> list[int]:
        """Attention heads at each level of the UNet."""
        heads = self._part("unet").config.attention_head_dim
        levels = len(self._part("unet").config.block_out_channels)
        return [heads] * levels if isinstance(heads, int) else list(heads)

    @property
    def latent_factor(self) -> int:
        """Mel frames, and mel bins, to one step of the latents."""
        return 2 ** (len(self._part("vae").config.block_out_channels) - 1)

    def files(self) -> list[Path]:
        """The parts' weights and configs; the text tower only where it is needed."""
        root = check_folder(self.path)
        unused = {"clap", SELF_TEST_FILE}
        if (root / UNCONDITIONAL_FILE).is_file():
            unused |= {"text_encoder", "tokenizer"}
        return [file for file in checkpoint_files(root) if file.relative_to(root).parts[0] not in unused]

    def settings(self) -> dict[str, Any]:
        """Head counts: they change the sound and stand in no file. Sampling options are the metric cards' to tell."""
        return {"head_counts": self.head_counts}

    def sampling(self, steps: int | None = None, guidance: float | None = None) -> tuple[int, float]:
        """The number of denoising steps and the guidance scale that are taken when these are asked for.

        Raises:
            UsageError: when there is less than one step, or the scale is negative or no number.
        """
        steps = self.steps if steps is None else steps
        guidance = self.guidance if guidance is None else guidance
        if steps < 1:
            raise UsageError(f"steps (AudioLDM's) is at least 1, not {steps}")
        if not 0 <= guidance < math.inf:
            raise UsageError(f"guidance (AudioLDM's) is a number of at least 0, not {guidance:g}")
        return steps, guidance

    @torch.no_grad()
    def generate(
        self,
        embeddings: Tensor,
        *,
        seconds: float,
        seeds: Sequence[int],
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        """Make sound from CLAP embeddings.

        Args:
            embeddings: (B, 512); L2-normalised here once more.
            seconds: length of each wave.
            seeds: one per row. The same embedding and seed give the same wave in any batch: bit for bit with
                a `batch_size` of 1, within a step of 16-bit sound otherwise, as matrix libraries sum in another order.
            steps: denoising steps, if not the model's own.
            guidance: guidance scale, if not the model's own.

        Returns:
            (B, seconds x sample_rate) float32 on the CPU; not clipped.

        Raises:
            ValueError: when shapes or the number of seeds do not fit.
            UsageError: when there is less than one step, or the guidance scale is negative or no number.
            RunFailure: when an embedding is not finite.
        """
        embeddings = self._one_token(embeddings)
        self._check(embeddings, seeds, seconds)
        steps, guidance = self.sampling(steps, guidance)
        embeddings = nn.functional.normalize(embeddings.float(), dim=-1)
        samples = round(seconds * self.sample_rate)
        waves = [torch.empty(0, samples)]
        for start in range(0, len(embeddings), self.batch_size):
            rows = slice(start, start + self.batch_size)
            noise = generators(seeds[rows])
            latents = self._denoise(embeddings[rows], seconds, noise, steps, guidance)
            waves.append(self.decode(latents)[:, :samples].cpu())
        return torch.cat(waves)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, C, T / factor, bins / factor) to waves (B, about T x hop)."""
        vae = self._part("vae")
        mel = vae.decode(latents.to(self.device, torch.float32) / vae.config.scaling_factor).sample
        return self._part("vocoder")(mel.squeeze(1))

    @torch.no_grad()
    def encode(self, waves: Tensor) -> Tensor:
        """Waves (B, samples) at `sample_rate` to latents (B, C, T / factor, bins / factor), the posterior's mean.

        The log-mel is padded at its end with silence to a multiple of the factor.
        """
        vae = self._part("vae")
        mel = audioldm_log_mel(waves.to(self.device, torch.float32), self.mel)
        missing = -mel.shape[1] % self.latent_factor
        mel = nn.functional.pad(mel, (0, 0, 0, missing), value=math.log(1e-5))
        return vae.encode(mel.unsqueeze(1)).latent_dist.mode() * vae.config.scaling_factor

    def _denoise(
        self, embeddings: Tensor, seconds: float, noise: list[torch.Generator], steps: int, scale: float
    ) -> Tensor:
        """From noise to latents (B, C, T / factor, bins / factor), float32 throughout: each of hundreds of steps moves
        them by less than half precision can tell. Only the UNet looks at them in its own."""
        unet, scheduler = self._part("unet"), make_scheduler(self.path, self.sampler)
        condition = self._condition(embeddings, guided=scale > 1)
        scheduler.set_timesteps(steps, device=self.device)
        latents = randn(self._latent_shape(len(embeddings), seconds), noise, self.device, torch.float32)
        latents = latents * scheduler.init_noise_sigma
        for step in scheduler.timesteps:
            doubled = torch.cat([latents] * (len(condition) // len(latents)))
            doubled = scheduler.scale_model_input(doubled, step).to(self.dtype)
            predicted = unet(doubled, step, encoder_hidden_states=None, class_labels=condition).sample.float()
            if scale > 1:
                unconditional, conditional = predicted.chunk(2)
                predicted = unconditional + scale * (conditional - unconditional)
            latents = scheduler.step(predicted, step, latents, **self._step_options(noise)).prev_sample
        return latents

    def _step_options(self, noise: list[torch.Generator]) -> dict[str, Any]:
        """What a sampler takes beside the prediction: diffusers draws row i from generator i."""
        return {"generator": noise, "eta": self.eta} if self.sampler == "ddim" else {"generator": noise}

    def _condition(self, embeddings: Tensor, guided: bool) -> Tensor:
        """(B, 512), or (2 B, 512) with the unconditional half first."""
        embeddings = embeddings.to(self.device, self.dtype)
        if not guided:
            return embeddings
        return torch.cat([self._part("unconditional").to(embeddings).expand_as(embeddings), embeddings])

    def _latent_shape(self, batch: int, seconds: float) -> tuple[int, int, int, int]:
        """The mel's frames are rounded up to a multiple of the latent factor; what is too long is cut from the wave."""
        factor, channels = self.latent_factor, self._part("unet").config.in_channels
        frames = math.ceil(round(seconds * self.sample_rate) / self.mel.hop)
        return batch, channels, math.ceil(frames / factor), self.mel.bins // factor

    @staticmethod
    def _one_token(embeddings: Tensor) -> Tensor:
        return embeddings[:, 0] if embeddings.ndim == 3 and embeddings.shape[1] == 1 else embeddings

    def _check(self, embeddings: Tensor, seeds: Sequence[int], seconds: float) -> None:
        if embeddings.ndim != 2 or embeddings.shape[1] != self.embedding_dim:
            raise ValueError(f"embeddings have the shape (B, {self.embedding_dim}), not {tuple(embeddings.shape)}")
        if len(seeds) != len(embeddings):
            raise ValueError(f"{len(seeds)} seeds for {len(embeddings)} embeddings; give one per row")
        if not torch.isfinite(embeddings).all():
            raise RunFailure(
                "an embedding is not finite: the mapper's weights are not, or the precision is too narrow for them "
                "(--trainer.precision 16-true is, on a CPU above all; 32-true and bf16-mixed are not)"
            )
        if not self.latent_factor * self.mel.hop <= seconds * self.sample_rate < math.inf:
            raise ValueError(f"{seconds} seconds are less than one latent step")

    def _load(self) -> dict[str, Any]:
        path = check_folder(self.path)
        unet, unconditional = read_unet(path, self.head_counts), read_unconditional(path)
        width = unet.config.projection_class_embeddings_input_dim
        if len(unconditional) != width:
            raise UsageError(f"{path}: the unconditional embedding has {len(unconditional)} numbers, the UNet {width}")
        make_scheduler(path, self.sampler)  # found out now rather than with the first sound
        return {"unet": unet, "vae": read_vae(path), "vocoder": read_vocoder(path), "unconditional": unconditional}

    def _place(self, name: str, part: Any) -> Any:
        placed = super()._place(name, part)
        return placed.float() if name in ("vae", "vocoder") else placed
