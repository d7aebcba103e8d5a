"""Training the referee, on true sounds alone."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.miniature.referee import Referee
from v2a_lightning.miniature.training.part import Part
from v2a_lightning.miniature.training.sounds import Sounds


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
