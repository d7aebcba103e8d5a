"""CLIP on the miniature's pictures and captions, apart from CLAP, so that the gap between the two spaces is real."""

import numpy as np
import torch
import torch.nn.functional as F
from open_clip import CLIP
from torch import Tensor
from transformers import RobertaTokenizer

from v2a_lightning.miniature.models.architectures import CLIP_MEAN, CLIP_STD, CONTEXT_LENGTH, build_clip
from v2a_lightning.miniature.training.clap import contrast
from v2a_lightning.miniature.training.part import Part
from v2a_lightning.miniature.training.pictures import FRAMES_PER_CLIP, Pictures


class ClipTraining(Part):
    """Symmetric contrastive loss on single frames; equal captions are right answers for one another."""

    def __init__(
        self, pictures: Pictures, tokenizer: RobertaTokenizer, steps: int = 2600, batch: int = 64, seed: int = 5
    ) -> None:
        super().__init__(steps, learning_rate=1e-3, seed=seed, weight_decay=0.05, threads=2)
        self.pictures = pictures
        self.batch = batch
        self.tokenizer = tokenizer
        torch.manual_seed(seed)
        self.clip: CLIP = build_clip(len(tokenizer))

    def loss(self, random: np.random.Generator) -> Tensor:
        clips = random.integers(0, self.pictures.count, self.batch)
        frames = random.integers(0, FRAMES_PER_CLIP, self.batch)
        texts = [self.pictures.caption(clip, frame, random) for clip, frame in zip(clips, frames, strict=True)]
        images = self.clip.encode_image(jitter(self.pictures.batch(clips, frames), random), normalize=True)
        tokens = tokenise(self.tokenizer, texts)
        written = self.clip.encode_text(tokens, normalize=True)
        return contrast(images, written, texts, self.clip.logit_scale.exp().clamp(max=100))


def tokenise(tokenizer: RobertaTokenizer, texts: list[str]) -> Tensor:
    """(B, 32) token ids, as open_clip's wrapper of a Hugging Face tokenizer gives them."""
    return tokenizer(
        texts, return_tensors="pt", padding="max_length", truncation=True, max_length=CONTEXT_LENGTH
    ).input_ids


def normalised(frames: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) to CLIP's input (B, 3, H, W)."""
    mean, deviation = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
    return ((frames.float() / 255 - mean) / deviation).permute(0, 3, 1, 2)


def jitter(frames: Tensor, random: np.random.Generator) -> Tensor:
    """CLIP's input with small shifts, changes of brightness and the blur and noise that video coding leaves."""
    images = F.pad(normalised(frames), (4, 4, 4, 4), mode="replicate")
    left, top = random.integers(0, 9, 2)
    images = images[:, :, top : top + frames.shape[1], left : left + frames.shape[2]]
    gain = torch.from_numpy(random.uniform(0.85, 1.15, (len(frames), 1, 1, 1)).astype(np.float32))
    images = images * gain + 0.05 * torch.randn_like(images)
    return F.avg_pool2d(images, 3, 1, 1) if random.random() < 0.25 else images


@torch.inference_mode()
def embed_clips(model: CLIP, pictures: Pictures) -> Tensor:
    """(count, 512) normalised average over each clip's kept frames."""
    rows = []
    for begin in range(0, pictures.count, 16):
        frames = torch.from_numpy(pictures.frames[begin : begin + 16])
        embeddings = model.encode_image(normalised(frames.flatten(0, 1)), normalize=True)
        rows.append(F.normalize(embeddings.unflatten(0, frames.shape[:2]).mean(1), dim=-1))
    return torch.cat(rows).clone()
