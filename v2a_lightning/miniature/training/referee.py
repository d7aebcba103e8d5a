"""The referee: a classifier that hears true sounds only and enters no metric, and so can judge what was generated."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.foundation.spectrograms import audioldm_log_mel
from v2a_lightning.miniature.events import EVENT_NAMES
from v2a_lightning.miniature.training.part import Part
from v2a_lightning.miniature.training.sounds import Sounds


class Referee(nn.Module):
    """Convolutions over frequency, then a recurrent network over time; `forward(waves (B, samples)) -> (B, classes)`.

    Unlike the evaluators (stacks of two-dimensional convolutions with pooling), it reads a spectrogram in order.
    """

    def __init__(self, classes: int = len(EVENT_NAMES), width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, (3, 5), stride=(2, 2), padding=(1, 2)),
            nn.GroupNorm(8, width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, stride=(2, 2), padding=1),
            nn.GroupNorm(8, width),
            nn.GELU(),
        )
        self.memory = nn.GRU(width * 16, 96, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(192, 1)
        self.head = nn.Sequential(nn.LayerNorm(192), nn.Linear(192, classes))

    def forward(self, waves: Tensor) -> Tensor:
        # Level is no mark of a class, so the loudest bin is brought to zero.
        mel = audioldm_log_mel(waves)
        mel = (mel - mel.amax(dim=(1, 2), keepdim=True)).clamp(min=-9.0) / 3 + 1
        picture = self.stem(mel.unsqueeze(1))
        hidden, _ = self.memory(picture.permute(0, 2, 1, 3).flatten(2))
        weight = self.attention(hidden).softmax(dim=1)
        return self.head((weight * hidden).sum(1))


class RefereeTraining(Part):
    """Cross-entropy on single-scene clips, with noise, gain and a tilted spectrum, as recordings differ."""

    def __init__(self, sounds: Sounds, steps: int = 1500, batch: int = 48, seed: int = 2) -> None:
        super().__init__(steps, learning_rate=2e-3, seed=seed)
        self.sounds = sounds
        self.batch = batch
        torch.manual_seed(seed)
        self.referee = Referee()

    def loss(self, random: np.random.Generator) -> Tensor:
        chosen = random.choice(self.sounds.single, self.batch)
        waves = roughen(self.sounds.batch(chosen), random)
        return F.cross_entropy(self.referee(waves), self.sounds.events[chosen], label_smoothing=0.05)


def roughen(waves: Tensor, random: np.random.Generator) -> Tensor:
    """Waves (B, samples) with a little noise of their own level and one first-order tilt each, up or down."""
    batch = len(waves)
    noise = torch.from_numpy(random.standard_normal(waves.shape).astype(np.float32))
    share = torch.from_numpy(10 ** random.uniform(-3.0, -1.2, (batch, 1)).astype(np.float32))
    tilt = torch.from_numpy(random.uniform(-0.5, 0.5, (batch, 1)).astype(np.float32))
    tilted = waves + tilt * F.pad(waves[:, :-1], (1, 0))
    return tilted + share * waves.std(dim=-1, keepdim=True) * noise


@torch.inference_mode()
def accuracy(referee: Referee, waves: Tensor, events: Tensor, batch: int = 64) -> float:
    """Share of waves (B, samples) whose event the referee names."""
    named = torch.cat([referee(piece).argmax(-1) for piece in waves.split(batch)])
    return float((named == events).float().mean())


def load_referee(folder: Path) -> Referee:
    """The trained referee from its folder."""
    from safetensors.torch import load_file

    referee = Referee()
    referee.load_state_dict(load_file(folder / "model.safetensors"))
    return referee.eval().requires_grad_(False)
