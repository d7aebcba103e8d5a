"""AudioLDM's vocoder on the miniature's sounds: HiFi-GAN's generator, trained on spectra."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import SpeechT5HifiGan

from v2a_lightning.encoders.log_mel import audioldm_log_mel
from v2a_lightning.miniature.models.architectures import build_vocoder
from v2a_lightning.miniature.training.autoencoder import random_crops
from v2a_lightning.miniature.training.part import Part
from v2a_lightning.miniature.training.sounds import Sounds

FRAMES = 40
COMPRESSION = 0.4
RESOLUTIONS = ((1024, 160), (512, 100), (256, 48))


class VocoderTraining(Part):
    """From log-mels to waves. Half of the mels have been through the autoencoder, as those of generated sounds have.

    The learning rate is low: the first weights are worked out (`vocoder_start`), and large steps undo them.

    Args:
        sounds: what is learned from.
        vae: the trained autoencoder, frozen.
    """

    def __init__(self, sounds: Sounds, vae: Any, steps: int = 1600, batch: int = 8, seed: int = 4) -> None:
        super().__init__(steps, learning_rate=2.5e-4, seed=seed)
        self.sounds = sounds
        # Not a part of what is trained or saved.
        self._vae = [vae]
        self.batch = batch
        torch.manual_seed(seed)
        self.vocoder: SpeechT5HifiGan = build_vocoder()

    def loss(self, random: np.random.Generator) -> Tensor:
        truth, mel = random_crops(self.sounds, self.batch, FRAMES, random)
        half = self.batch // 2
        with torch.no_grad():
            vae = self._vae[0]
            blurred = vae.decode(vae.encode(mel[:half, None]).latent_dist.mode()).sample.squeeze(1)
        made = self.vocoder(torch.cat([blurred, mel[half:]]))[:, : truth.shape[1]]
        return spectral_loss(truth, made, mel)


def spectral_loss(truth: Tensor, made: Tensor, mel: Tensor) -> Tensor:
    """L1 of log-mels, and at three resolutions L1 of compressed magnitudes with spectral convergence.

    Logarithms of magnitudes are left out: two noises of the same colour differ by almost a nat in every bin, which
    drowns the tones. Compressed and relative to the piece's own mean, loud bins count more and quiet pieces as much.
    """
    loss = F.l1_loss(audioldm_log_mel(made), mel)
    for n_fft, hop in RESOLUTIONS:
        real, fake = magnitudes(truth, n_fft, hop), magnitudes(made, n_fft, hop)
        soft_real, soft_fake = real**COMPRESSION, fake**COMPRESSION
        compressed = (soft_real - soft_fake).abs().mean((1, 2)) / soft_real.mean((1, 2))
        convergence = (real - fake).norm(dim=(1, 2)) / real.norm(dim=(1, 2))
        loss = loss + (3 * compressed + convergence).mean()
    return loss


def magnitudes(waves: Tensor, n_fft: int, hop: int) -> Tensor:
    """(B, n_fft / 2 + 1, frames) magnitudes of waves (B, samples)."""
    window = torch.hann_window(n_fft, device=waves.device)
    spectrum = torch.stft(waves, n_fft, hop, window=window, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-10).sqrt()
