"""AudioLDM's autoencoder of log-mels, trained on random crops."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.encoders.log_mel import audioldm_log_mel
from v2a_lightning.miniature.models.architectures import build_vae
from v2a_lightning.miniature.training.part import Part
from v2a_lightning.miniature.training.sounds import Sounds, write_array

CROP = 64
"""Mel frames of a training crop: 0.64 s."""
LATENT_DEVIATION = 0.5
"""Standard deviation of the scaled latents. Neighbouring latents tell much of each other, so at unit deviation the
published noise schedule would leave too much of them visible at every step."""


class AutoencoderTraining(Part):
    """L1 on the log-mel and on its slopes, and a small pull of the latents to a standard normal distribution."""

    def __init__(
        self, sounds: Sounds, steps: int = 2000, batch: int = 16, kl_weight: float = 2e-3, seed: int = 0
    ) -> None:
        super().__init__(steps, learning_rate=2e-3, seed=seed)
        self.sounds = sounds
        self.batch = batch
        self.kl_weight = kl_weight
        torch.manual_seed(seed)
        self.vae: Any = build_vae()

    def loss(self, random: np.random.Generator) -> Tensor:
        mel = random_crops(self.sounds, self.batch, CROP, random)[1].unsqueeze(1)
        posterior = self.vae.encode(mel).latent_dist
        rebuilt = self.vae.decode(posterior.sample()).sample
        slopes = F.l1_loss(rebuilt.diff(dim=-2), mel.diff(dim=-2)) + F.l1_loss(rebuilt.diff(dim=-1), mel.diff(dim=-1))
        divergence = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()
        return F.l1_loss(rebuilt, mel) + 0.25 * slopes + self.kl_weight * divergence


def random_crops(sounds: Sounds, batch: int, frames: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random pieces of random clips: waves (B, frames * 160) and their log-mels (B, frames, 64).

    The mel is that of the whole clip, cut, since the mel of a cut wave differs at its edges.
    """
    waves = sounds.batch(random.integers(0, sounds.count, batch))
    begins = random.integers(0, waves.shape[1] // 160 - frames + 1, batch)
    mels = audioldm_log_mel(waves)
    cut_waves = [wave[160 * begin : 160 * (begin + frames)] for wave, begin in zip(waves, begins, strict=True)]
    cut_mels = [mel[begin : begin + frames] for mel, begin in zip(mels, begins, strict=True)]
    return torch.stack(cut_waves), torch.stack(cut_mels)


@torch.inference_mode()
def encode_all(vae: Any, sounds: Sounds, path: Path) -> np.ndarray:
    """(count, 16, T / 8, 8) float16: mean and standard deviation of every clip's latents, kept in a file."""
    if not path.exists():
        moments = []
        for waves in sounds.batches(64):
            posterior = vae.encode(audioldm_log_mel(waves).unsqueeze(1)).latent_dist
            moments.append(torch.cat([posterior.mean, posterior.std], dim=1).half().numpy())
        write_array(path, np.concatenate(moments))
    return np.load(path, mmap_mode="r")


def set_scaling_factor(vae: Any, moments: np.ndarray) -> float:
    """Write the factor that brings the latents to `LATENT_DEVIATION` into the VAE's config, and return it."""
    sample = np.asarray(moments[:2048, :8], dtype=np.float64)
    factor = float(LATENT_DEVIATION / sample.std())
    vae.register_to_config(scaling_factor=factor)
    return factor
