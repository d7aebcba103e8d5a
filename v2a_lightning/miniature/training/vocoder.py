"""AudioLDM's vocoder on the miniature's sounds: HiFi-GAN's generator against discriminators of spectrograms."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import SpeechT5HifiGan

from v2a_lightning.foundation.spectrograms import audioldm_log_mel
from v2a_lightning.miniature.architectures import build_vocoder
from v2a_lightning.miniature.training.autoencoder import random_crops
from v2a_lightning.miniature.training.part import Part
from v2a_lightning.miniature.training.sounds import Sounds

FRAMES = 40
RESOLUTIONS = ((1024, 160), (512, 100), (256, 48))


class SpectrogramDiscriminator(nn.Module):
    """Judges the magnitude spectrogram of one resolution (UnivNet, 2106.07889, section 2.2), at a small width."""

    def __init__(self, n_fft: int, hop: int, width: int = 16) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        channels = (1, width, width, width, width)
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(nn.Conv2d(before, after, (3, 7), stride=(1, 2), padding=(1, 3)))
            for before, after in zip(channels, channels[1:], strict=False)
        )
        self.judge = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, waves: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Verdicts, and the features of every layer."""
        picture = magnitudes(waves, self.n_fft, self.hop).clamp(min=1e-5).log().unsqueeze(1).transpose(2, 3) / 4 + 1
        features = []
        for layer in self.layers:
            picture = F.leaky_relu(layer(picture), 0.2)
            features.append(picture)
        return self.judge(picture), features


class VocoderTraining(Part):
    """Least-squares GAN with feature matching, above mel and spectral losses (HiFi-GAN, 2010.05646, section 2.4).

    A part of the mels are slightly blurred, as a diffusion model's are.
    """

    optimizers_per_step = 2

    def __init__(
        self, sounds: Sounds, steps: int = 2600, batch: int = 8, adversarial_from: int = 1200, seed: int = 4
    ) -> None:
        super().__init__(steps, learning_rate=8e-4, seed=seed)
        self.automatic_optimization = False
        self.sounds = sounds
        self.batch = batch
        self.adversarial_from = adversarial_from
        torch.manual_seed(seed)
        self.vocoder: SpeechT5HifiGan = build_vocoder()
        self.discriminators = nn.ModuleList(SpectrogramDiscriminator(*resolution) for resolution in RESOLUTIONS)

    def loss(self, random: np.random.Generator) -> Tensor:
        raise RuntimeError("two optimisers take turns here; see training_step")

    def training_step(self, batch: Tensor, batch_idx: int) -> None:  # type: ignore[override]
        generator, judge = self.optimizers()  # type: ignore[attr-defined]
        step = self.global_step // self.optimizers_per_step
        torch.manual_seed(self.seed * 1_000_003 + step)
        random = np.random.default_rng([self.seed, step])
        truth, mel = random_crops(self.sounds, self.batch, FRAMES, random)
        made = self.vocoder(mel + 0.1 * torch.rand(len(mel), 1, 1) * torch.randn_like(mel))[:, : truth.shape[1]]
        adversarial = step >= self.adversarial_from
        if adversarial:
            self._step(judge, judgement_loss(self.discriminators, truth, made.detach()))
        else:
            judge.step()
        loss = spectral_loss(truth, made, mel)
        if adversarial:
            loss = loss + deception_loss(self.discriminators, truth, made)
        self._step(generator, loss)
        self.log("loss", loss.detach(), prog_bar=True)
        for schedule in self.lr_schedulers():  # type: ignore[union-attr]
            schedule.step()

    def configure_optimizers(self) -> Any:
        groups: Iterable[tuple[nn.Module, float]] = ((self.vocoder, self.learning_rate), (self.discriminators, 2e-4))
        optimizers = [torch.optim.AdamW(module.parameters(), rate, betas=(0.8, 0.99)) for module, rate in groups]
        schedules = [
            torch.optim.lr_scheduler.OneCycleLR(
                optimizer, optimizer.param_groups[0]["lr"], self.steps + 2, pct_start=0.05
            )
            for optimizer in optimizers
        ]
        return optimizers, schedules

    def _step(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer, 5.0, "norm")
        optimizer.step()


def spectral_loss(truth: Tensor, made: Tensor, mel: Tensor) -> Tensor:
    """L1 of log-mels, and L1 of log magnitudes with spectral convergence at three resolutions."""
    loss = 3 * F.l1_loss(audioldm_log_mel(made), audioldm_log_mel(truth))
    for n_fft, hop in RESOLUTIONS:
        real, fake = magnitudes(truth, n_fft, hop), magnitudes(made, n_fft, hop)
        convergence = (real - fake).norm() / real.norm().clamp(min=1e-3)
        loss = loss + F.l1_loss(fake.clamp(min=1e-5).log(), real.clamp(min=1e-5).log()) + convergence
    return loss


def judgement_loss(discriminators: nn.ModuleList, truth: Tensor, made: Tensor) -> Tensor:
    """What the discriminators minimise: 1 for the true, 0 for the made."""
    total = truth.new_zeros(())
    for discriminator in discriminators:
        total = total + (discriminator(truth)[0] - 1).square().mean() + discriminator(made)[0].square().mean()
    return total


def deception_loss(discriminators: nn.ModuleList, truth: Tensor, made: Tensor) -> Tensor:
    """What the generator minimises: to be taken for true, with features like the true wave's."""
    total = truth.new_zeros(())
    for discriminator in discriminators:
        verdict, features = discriminator(made)
        with torch.no_grad():
            wanted = discriminator(truth)[1]
        matching = sum((F.l1_loss(one, two) for one, two in zip(features, wanted, strict=True)), truth.new_zeros(()))
        total = total + (verdict - 1).square().mean() + 2 * matching
    return total


def magnitudes(waves: Tensor, n_fft: int, hop: int) -> Tensor:
    """(B, n_fft / 2 + 1, frames) magnitudes of waves (B, samples)."""
    window = torch.hann_window(n_fft, device=waves.device)
    spectrum = torch.stft(waves, n_fft, hop, window=window, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-10).sqrt()
