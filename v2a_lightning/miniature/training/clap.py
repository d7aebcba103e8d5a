"""CLAP on the miniature's sounds and captions: a small HTSAT and a small RoBERTa, trained by contrast."""

from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import ClapModel, RobertaTokenizer

from v2a_lightning.encoders.log_mel import MelSpec, audioldm_log_mel, clap_log_mel
from v2a_lightning.miniature.models.architectures import build_clap
from v2a_lightning.miniature.training.part import Part
from v2a_lightning.miniature.training.sounds import Sounds, write_array
from v2a_lightning.miniature.world.scenes import captions

CLAP_MEL = MelSpec(sample_rate=48_000, n_fft=1024, hop=480, bins=64, low=50.0, high=14_000.0)
CLAP_SAMPLES = 122_400


REBUILT = 2800
"""How many of the sounds CLAP also hears through AudioLDM's autoencoder and vocoder."""


class ClapTraining(Part):
    """Symmetric contrastive loss. Clips of a batch with the same caption are right answers for one another.

    Half of the sounds of a batch have been through the autoencoder and the vocoder, as all generated sound has: a CLAP
    that knows clean sounds alone takes a vocoded beep for a siren. The large one has heard worse in its training.

    Args:
        sounds: what is learned from.
        tokenizer: of the captions.
        rebuilt: (R, frames, 64) log-mels of the first R sounds, made again from their mels.
    """

    def __init__(
        self,
        sounds: Sounds,
        tokenizer: RobertaTokenizer,
        rebuilt: np.ndarray,
        steps: int = 1400,
        batch: int = 64,
        seed: int = 1,
    ) -> None:
        super().__init__(steps, learning_rate=1e-3, seed=seed, weight_decay=0.05)
        self.sounds = sounds
        self.rebuilt = rebuilt
        self.batch = batch
        torch.manual_seed(seed)
        self.clap: ClapModel = build_clap(len(tokenizer))
        self.tokenizer = tokenizer
        self.features = clap_features(sounds)

    def loss(self, random: np.random.Generator) -> Tensor:
        true = random.integers(0, self.sounds.count, self.batch - self.batch // 2)
        again = random.integers(0, len(self.rebuilt), self.batch // 2)
        texts = [audible_caption(self.sounds.clips[index], random) for index in (*true, *again)]
        features = np.concatenate([self.features[true], self.rebuilt[again]])
        mel = mask_stripes(torch.from_numpy(features.astype(np.float32)).unsqueeze(1), random)
        tokens = self.tokenizer(texts, return_tensors="pt", padding=True, truncation=True)
        audio = pooled(self.clap.get_audio_features(input_features=mel))
        text = pooled(self.clap.get_text_features(**tokens))
        scale = self.clap.logit_scale_a.exp().clamp(max=100)
        return contrast(audio, text, texts, scale)


def contrast(first: Tensor, second: Tensor, texts: list[str], scale: Tensor) -> Tensor:
    """InfoNCE both ways between normalised (B, D) rows; equal texts share the right answer."""
    same = torch.tensor([[left == right for right in texts] for left in texts], dtype=torch.float32)
    target = same / same.sum(1, keepdim=True)
    logits = scale * first @ second.T
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))


def audible_caption(clip: Any, random: np.random.Generator) -> str:
    """One of a clip's captions; not the one that names the place, which one cannot hear."""
    choices = captions(clip)
    del choices[2]
    weights = [0.7, 0.3] if len(choices) == 2 else [0.3, 0.2, 0.5]
    return str(random.choice(choices, p=weights))


def pooled(output: Any) -> Tensor:
    """L2-normalised embeddings, from the tensor or the output object that the installed transformers returns."""
    return F.normalize(output if isinstance(output, Tensor) else output.pooler_output, dim=-1)


def mask_stripes(mel: Tensor, random: np.random.Generator) -> Tensor:
    """Hide a stripe of time and a stripe of frequency of each (B, 1, T, bins) spectrogram (SpecAugment)."""
    mel = mel.clone()
    for row in mel:
        begin, width = int(random.integers(0, mel.shape[2])), int(random.integers(0, 40))
        low, height = int(random.integers(0, mel.shape[3])), int(random.integers(0, 6))
        row[:, begin : begin + width] = row.mean()
        row[:, :, low : low + height] = row.mean()
    return mel


def clap_features(sounds: Sounds) -> np.ndarray:
    """(count, frames, 64) float16 log-mels as CLAP hears them, kept beside the waves."""
    path = sounds.folder / f"clap-{sounds.seed}-{sounds.split}-{sounds.first}-{sounds.count}.npy"
    if not path.exists():
        parts = [recipe_features(waves)[:, 0].half().numpy() for waves in sounds.batches(64)]
        write_array(path, np.concatenate(parts))
    return np.load(path, mmap_mode="r")


@torch.inference_mode()
def rebuilt_features(sounds: Sounds, vae: Any, vocoder: Any, path: Path) -> np.ndarray:
    """(REBUILT, frames, 64) float16 log-mels of the first sounds through autoencoder and vocoder, kept in a file."""
    if not path.exists():
        parts = []
        for begin in range(0, min(REBUILT, sounds.count), 16):
            waves = sounds.batch(np.arange(begin, min(begin + 16, sounds.count)))
            mel = vae.decode(vae.encode(audioldm_log_mel(waves).unsqueeze(1)).latent_dist.mode()).sample
            parts.append(recipe_features(vocoder(mel.squeeze(1))[:, : waves.shape[1]])[:, 0].half().numpy())
        write_array(path, np.concatenate(parts))
    return np.load(path, mmap_mode="r")


def recipe_features(waves: Tensor) -> Tensor:
    """(B, 1, 256, 64) from (B, samples) waves at 16 kHz, by AudioLDM's recipe: no mean, peak 0.5, at 48 kHz."""
    waves = waves - waves.mean(-1, keepdim=True)
    waves = 0.5 * waves / waves.abs().amax(-1, keepdim=True).clamp(min=1e-8)
    resampled = np.stack([soxr.resample(wave.numpy(), 16_000, 48_000) for wave in waves])
    return clap_log_mel(torch.from_numpy(resampled[:, :CLAP_SAMPLES]), CLAP_MEL)


@torch.inference_mode()
def embed_all(model: ClapModel, sounds: Sounds) -> Tensor:
    """(count, 512) normalised audio embeddings of all clips."""
    features = clap_features(sounds)
    pieces = []
    for begin in range(0, len(features), 64):
        mel = torch.from_numpy(features[begin : begin + 64].astype(np.float32)).unsqueeze(1)
        pieces.append(pooled(model.get_audio_features(input_features=mel)))
    return torch.cat(pieces).clone()
