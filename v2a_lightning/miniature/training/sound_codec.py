"""Training AudioLDM's autoencoder of log-mels, and its vocoder: HiFi-GAN's generator, trained on spectra."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.encoders.log_mel import audioldm_log_mel
from v2a_lightning.miniature.models import build_vae, build_vocoder
from v2a_lightning.miniature.training.data import Sounds, kept_array
from v2a_lightning.miniature.training.part import Part

CROP, VOCODER_CROP = 64, 40  # mel frames, 10 ms each
LATENT_DEVIATION = 0.5
"""Standard deviation of the scaled latents. Neighbouring latents tell much of each other, so at unit deviation the
published noise schedule would leave too much of them visible at every step."""
COMPRESSION = 0.4
RESOLUTIONS = ((1024, 160), (512, 100), (256, 48))


class AutoencoderTraining(Part):
    """L1 on the log-mel and on its slopes, and a small pull of the latents to a standard normal distribution."""

    def __init__(
        self, sounds: Sounds, steps: int = 2000, batch: int = 16, kl_weight: float = 2e-3, seed: int = 0
    ) -> None:
        super().__init__(steps, batch, 2e-3, seed)
        self.sounds = sounds
        self.kl_weight = kl_weight
        self.vae: Any = build_vae()

    def loss(self, random: np.random.Generator) -> Tensor:
        mel = random_crops(self.sounds, self.batch, CROP, random)[1].unsqueeze(1)
        posterior = self.vae.encode(mel).latent_dist
        rebuilt = self.vae.decode(posterior.sample()).sample
        slopes = F.l1_loss(rebuilt.diff(dim=-2), mel.diff(dim=-2)) + F.l1_loss(rebuilt.diff(dim=-1), mel.diff(dim=-1))
        divergence = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()
        loss: Tensor = F.l1_loss(rebuilt, mel) + 0.25 * slopes + self.kl_weight * divergence
        return loss


def random_crops(sounds: Sounds, batch: int, frames: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random pieces of random clips: waveforms (B, frames * 160) and their log-mels (B, frames, 64).

    The mel is that of the whole clip, cut, since the mel of a cut waveform differs at its edges.
    """
    waveforms = sounds.batch(random.integers(0, sounds.count, batch))
    begins = random.integers(0, waveforms.shape[1] // 160 - frames + 1, batch)
    mels = audioldm_log_mel(waveforms)
    cut = [one[160 * begin : 160 * (begin + frames)] for one, begin in zip(waveforms, begins, strict=True)]
    cut_mels = [mel[begin : begin + frames] for mel, begin in zip(mels, begins, strict=True)]
    return torch.stack(cut), torch.stack(cut_mels)


@torch.inference_mode()
def encode_all(vae: Any, sounds: Sounds, path: Path) -> NDArray[np.float16]:
    """(count, 16, T / 8, 8) float16: mean and standard deviation of every clip's latents, kept in a file."""

    def moments(waveforms: Tensor) -> NDArray[np.float16]:
        posterior = vae.encode(audioldm_log_mel(waveforms).unsqueeze(1)).latent_dist
        return torch.cat([posterior.mean, posterior.std], dim=1).half().numpy()

    return kept_array(path, sounds.count, lambda: map(moments, sounds.batches(64)))


def set_scaling_factor(vae: Any, moments: NDArray[np.float16]) -> float:
    """Write the factor that brings latents (count, 16, T / 8, 8) to `LATENT_DEVIATION` into the VAE's config."""
    sample = np.asarray(moments[:2048, :8], dtype=np.float64)
    factor = float(LATENT_DEVIATION / sample.std())
    vae.register_to_config(scaling_factor=factor)
    return factor


class VocoderTraining(Part):
    """From log-mels to waveforms. Half of the mels have been through `vae`, as those of generated sounds have.

    The learning rate is low: the first weights are worked out (`begin_as_sinusoids`), and large steps undo them.
    """

    def __init__(self, sounds: Sounds, vae: Any, steps: int = 1600, batch: int = 8, seed: int = 4) -> None:
        super().__init__(steps, batch, 2.5e-4, seed)
        self.sounds = sounds
        # In a list, so that it is no part of what is trained or saved.
        self._vae = [vae]
        self.vocoder = build_vocoder()

    def loss(self, random: np.random.Generator) -> Tensor:
        truth, mel = random_crops(self.sounds, self.batch, VOCODER_CROP, random)
        half = self.batch // 2
        with torch.no_grad():
            vae = self._vae[0]
            blurred = vae.decode(vae.encode(mel[:half, None]).latent_dist.mode()).sample.squeeze(1)
        generated = self.vocoder(torch.cat([blurred, mel[half:]]))[:, : truth.shape[1]]
        return spectral_loss(truth, generated, mel)


def spectral_loss(truth: Tensor, generated: Tensor, mel: Tensor) -> Tensor:
    """L1 of log-mels, and at three resolutions L1 of compressed magnitudes with spectral convergence: a scalar, of
    waveforms (B, samples) and the truth's log-mel (B, frames, 64).

    Logarithms of magnitudes are left out: two noises of the same colour differ by almost a nat in every bin, which
    drowns the tones. Compressed and relative to the piece's own mean, loud bins count more and quiet pieces as much.
    """
    loss = F.l1_loss(audioldm_log_mel(generated), mel)
    for n_fft, hop in RESOLUTIONS:
        real, fake = magnitudes(truth, n_fft, hop), magnitudes(generated, n_fft, hop)
        soft_real, soft_fake = real**COMPRESSION, fake**COMPRESSION
        compressed = (soft_real - soft_fake).abs().mean((1, 2)) / soft_real.mean((1, 2))
        convergence = (real - fake).norm(dim=(1, 2)) / real.norm(dim=(1, 2))
        loss = loss + (3 * compressed + convergence).mean()
    return loss


def magnitudes(waveforms: Tensor, n_fft: int, hop: int) -> Tensor:
    """(B, n_fft / 2 + 1, frames) magnitudes of waveforms (B, samples)."""
    window = torch.hann_window(n_fft, device=waveforms.device)
    spectrum = torch.stft(waveforms, n_fft, hop, window=window, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-10).sqrt()
