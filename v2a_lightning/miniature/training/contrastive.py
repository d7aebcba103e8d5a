"""CLAP and CLIP on the miniature's captions, trained by contrast and apart, so that the gap between them is real."""

from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from transformers import RobertaTokenizer

from v2a_lightning.encoders.log_mel import MelSpec, audioldm_log_mel, clap_log_mel
from v2a_lightning.miniature.models import CLIP_MEAN, CLIP_STD, CONTEXT_LENGTH, build_clap, build_clip
from v2a_lightning.miniature.training.data import FRAMES_PER_CLIP, Pictures, Sounds, kept_array
from v2a_lightning.miniature.training.part import Part
from v2a_lightning.miniature.world.scenes import ClipDescription, captions

CLAP_MEL = MelSpec(sample_rate=48_000, n_fft=1024, hop=480, bins=64, low=50.0, high=14_000.0)
CLAP_SAMPLES = 122_400
REBUILT = 2800
"""How many of the sounds CLAP also learns from after AudioLDM's autoencoder and vocoder."""


class ClapTraining(Part):
    """Symmetric contrastive loss of sounds and captions.

    Half of the sounds of a batch have been through the autoencoder and the vocoder, as all generated sound has: a CLAP
    that knows clean sounds alone takes a vocoded beep for a siren. The large one was trained on worse. `rebuilt` are
    (R, frames, 64) log-mels of the first R sounds, made again from their mels.
    """

    def __init__(
        self, sounds: Sounds, tokenizer: RobertaTokenizer, rebuilt: NDArray[np.float16],
        steps: int = 1400, batch: int = 64, seed: int = 1,
    ) -> None:  # fmt: skip
        super().__init__(steps, batch, 1e-3, seed, weight_decay=0.05)
        self.sounds = sounds
        self.rebuilt = rebuilt
        self.clap = build_clap(len(tokenizer))
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
        return contrast(audio, text, texts, self.clap.logit_scale_a.exp().clamp(max=100))


def contrast(first: Tensor, second: Tensor, texts: list[str], scale: Tensor) -> Tensor:
    """InfoNCE both ways between normalised rows, both (B, D): a scalar. Equal texts share the right answer."""
    same = torch.tensor([[left == right for right in texts] for left in texts], dtype=torch.float32)
    target = same / same.sum(1, keepdim=True)
    logits = scale * first @ second.T
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))


def audible_caption(clip: ClipDescription, random: np.random.Generator) -> str:
    """One of a clip's captions; not the one that names the place, which one cannot hear."""
    choices = captions(clip)
    del choices[2]
    return str(random.choice(choices, p=[0.7, 0.3] if len(choices) == 2 else [0.3, 0.2, 0.5]))


def pooled(output: Any) -> Tensor:
    """(B, D) L2-normalised embeddings, from the tensor or the object that the installed transformers returns."""
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


def clap_features(sounds: Sounds) -> NDArray[np.float16]:
    """(count, 256, 64) float16 log-mels as CLAP takes them, kept beside the waveforms."""
    path = sounds.folder / f"clap-{sounds.seed}-{sounds.split}-{sounds.count}.npy"
    return kept_array(path, sounds.count, lambda: map(recipe_features, sounds.batches(64)))


@torch.inference_mode()
def rebuilt_features(sounds: Sounds, vae: Any, vocoder: Any, path: Path) -> NDArray[np.float16]:
    """(REBUILT, 256, 64) float16 log-mels of the first sounds through autoencoder and vocoder, kept in a file."""

    def again(waveforms: Tensor) -> NDArray[np.float16]:
        mel = vae.decode(vae.encode(audioldm_log_mel(waveforms).unsqueeze(1)).latent_dist.mode()).sample
        return recipe_features(vocoder(mel.squeeze(1))[:, : waveforms.shape[1]])

    return kept_array(path, min(REBUILT, sounds.count), lambda: map(again, sounds.batches(16, REBUILT)))


def recipe_features(waveforms: Tensor) -> NDArray[np.float16]:
    """(B, 256, 64) float16 from waveforms (B, samples) at 16 kHz, by AudioLDM's recipe: no mean, peak 0.5, 48 kHz."""
    waveforms = waveforms - waveforms.mean(-1, keepdim=True)
    waveforms = 0.5 * waveforms / waveforms.abs().amax(-1, keepdim=True).clamp(min=1e-8)
    resampled = np.stack([soxr.resample(one.numpy(), 16_000, 48_000) for one in waveforms])
    return clap_log_mel(torch.from_numpy(resampled[:, :CLAP_SAMPLES]), CLAP_MEL)[:, 0].half().numpy()


@torch.inference_mode()
def embed_sounds(model: Any, sounds: Sounds) -> Tensor:
    """(count, 512) CLAP's normalised embeddings of all clips."""
    features = clap_features(sounds)
    pieces = []
    for begin in range(0, len(features), 64):
        mel = torch.from_numpy(features[begin : begin + 64].astype(np.float32)).unsqueeze(1)
        pieces.append(pooled(model.get_audio_features(input_features=mel)))
    return torch.cat(pieces).clone()


class ClipTraining(Part):
    """Symmetric contrastive loss of single frames and captions."""

    def __init__(
        self, pictures: Pictures, tokenizer: RobertaTokenizer, steps: int = 2600, batch: int = 64, seed: int = 5
    ) -> None:
        super().__init__(steps, batch, 1e-3, seed, weight_decay=0.05, threads=2)
        self.pictures = pictures
        self.tokenizer = tokenizer
        self.clip = build_clip(len(tokenizer))

    def loss(self, random: np.random.Generator) -> Tensor:
        clips = random.integers(0, self.pictures.count, self.batch)
        frames = random.integers(0, FRAMES_PER_CLIP, self.batch)
        texts = [self.pictures.caption(clip, frame, random) for clip, frame in zip(clips, frames, strict=True)]
        images = self.clip.encode_image(jitter(self.pictures.batch(clips, frames), random), normalize=True)
        # As open_clip's wrapper of a Hugging Face tokenizer gives them.
        options: dict[str, Any] = {"padding": "max_length", "truncation": True, "max_length": CONTEXT_LENGTH}
        written = self.clip.encode_text(self.tokenizer(texts, return_tensors="pt", **options).input_ids, normalize=True)
        return contrast(images, written, texts, self.clip.logit_scale.exp().clamp(max=100))


def normalised(frames: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) to CLIP's input (B, 3, H, W)."""
    mean, deviation = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
    return ((frames.float() / 255 - mean) / deviation).permute(0, 3, 1, 2)


def jitter(frames: Tensor, random: np.random.Generator) -> Tensor:
    """CLIP's input (B, 3, H, W) of frames (B, H, W, 3), shifted, brightened, and blurred and noisy as video is."""
    images = F.pad(normalised(frames), (4, 4, 4, 4), mode="replicate")
    left, top = random.integers(0, 9, 2)
    images = images[:, :, top : top + frames.shape[1], left : left + frames.shape[2]]
    gain = torch.from_numpy(random.uniform(0.85, 1.15, (len(frames), 1, 1, 1)).astype(np.float32))
    images = images * gain + 0.05 * torch.randn_like(images)
    return F.avg_pool2d(images, 3, 1, 1) if random.random() < 0.25 else images


@torch.inference_mode()
def embed_pictures(model: Any, pictures: Pictures) -> Tensor:
    """(count, 512) CLIP's normalised average over each clip's kept frames."""
    rows = []
    for begin in range(0, pictures.count, 16):
        frames = torch.from_numpy(pictures.frames[begin : begin + 16])
        embeddings = model.encode_image(normalised(frames.flatten(0, 1)), normalize=True)
        rows.append(F.normalize(embeddings.unflatten(0, frames.shape[:2]).mean(1), dim=-1))
    return torch.cat(rows).clone()
