"""Training what tells sounds apart, on true sounds alone: the referee, and the metrics' extractors at small widths."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.evaluation.extractors.cnn14 import Cnn14, Cnn14Config
from v2a_lightning.evaluation.extractors.vggish import VGGish, VGGishConfig
from v2a_lightning.evaluation.extractors.wav2clip import Wav2CLIP, Wav2CLIPConfig
from v2a_lightning.miniature.referee import Referee
from v2a_lightning.miniature.training.data import Sounds
from v2a_lightning.miniature.training.part import Part
from v2a_lightning.miniature.world.events import EVENT_NAMES

CLASSES = len(EVENT_NAMES)
CNN14, VGGISH, WAV2CLIP = Cnn14Config(width=8, classes=CLASSES), VGGishConfig(width=12, hidden=256), Wav2CLIPConfig(16)


class RefereeTraining(Part):
    """Cross-entropy on single-scene clips, with noise, gain and a tilted spectrum, as recordings differ."""

    def __init__(self, sounds: Sounds, steps: int = 1500, batch: int = 48, seed: int = 2) -> None:
        super().__init__(steps, batch, 2e-3, seed)
        self.sounds = sounds
        self.referee = Referee()

    def loss(self, random: np.random.Generator) -> Tensor:
        chosen = random.choice(self.sounds.single, self.batch)
        waveforms = roughen(self.sounds.batch(chosen), random)
        return F.cross_entropy(self.referee(waveforms), self.sounds.events[chosen], label_smoothing=0.05)


def roughen(waveforms: Tensor, random: np.random.Generator) -> Tensor:
    """Waveforms (B, samples) with a little noise of their own level and one first-order tilt each, up or down."""
    batch = len(waveforms)
    noise = torch.from_numpy(random.standard_normal(waveforms.shape).astype(np.float32))
    share = torch.from_numpy(10 ** random.uniform(-3.0, -1.2, (batch, 1)).astype(np.float32))
    tilt = torch.from_numpy(random.uniform(-0.5, 0.5, (batch, 1)).astype(np.float32))
    tilted = waveforms + tilt * F.pad(waveforms[:, :-1], (1, 0))
    return tilted + share * waveforms.std(dim=-1, keepdim=True) * noise


class TaggerTraining(Part):
    """Cnn14 on the events of a clip; a clip with two scenes bears both, in proportion to their length."""

    def __init__(self, sounds: Sounds, steps: int = 700, batch: int = 32, seed: int = 6) -> None:
        super().__init__(steps, batch, 1e-3, seed)
        self.sounds = sounds
        self.targets = event_shares(sounds)
        self.tagger = Cnn14(CNN14)

    def loss(self, random: np.random.Generator) -> Tensor:
        chosen = random.integers(0, self.sounds.count, self.batch)
        output = self.tagger(self.sounds.batch(chosen))
        return F.cross_entropy(output.logits, self.targets[chosen], label_smoothing=0.02)


def event_shares(sounds: Sounds) -> Tensor:
    """(count, classes) the share of each clip's time that each event takes."""
    shares = torch.zeros(sounds.count, CLASSES)
    for row, clip in enumerate(sounds.clips):
        for scene, part in zip(clip.scenes, (clip.boundary, 1 - clip.boundary), strict=False):
            shares[row, EVENT_NAMES.index(scene.event)] += part
    return shares / shares.sum(1, keepdim=True)


class VGGishTraining(Part):
    """VGGish on the events of 0.96 s pieces, through a linear head that is thrown away."""

    def __init__(self, sounds: Sounds, steps: int = 800, batch: int = 32, seed: int = 7) -> None:
        super().__init__(steps, batch, 1e-3, seed)
        self.sounds = sounds
        self.vggish = VGGish(VGGISH)
        self.head = nn.Linear(VGGISH.embedding, CLASSES)

    def loss(self, random: np.random.Generator) -> Tensor:
        # With one scene every piece of the clip is of its event.
        chosen = random.choice(self.sounds.single, self.batch)
        logits = self.head(F.relu(self.vggish(self.sounds.batch(chosen)))).mean(dim=1)
        return F.cross_entropy(logits, self.sounds.events[chosen], label_smoothing=0.02)


class Wav2CLIPTraining(Part):
    """Into frozen CLIP's space, by contrast with `pictures` (count, 512), the clips' average frames."""

    def __init__(self, sounds: Sounds, pictures: Tensor, steps: int = 800, batch: int = 48, seed: int = 8) -> None:
        super().__init__(steps, batch, 1e-3, seed, threads=2)
        self.sounds = sounds
        self.pictures = pictures
        self.wav2clip = Wav2CLIP(WAV2CLIP)
        self.scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))

    def loss(self, random: np.random.Generator) -> Tensor:
        chosen = random.integers(0, len(self.pictures), self.batch)
        embeddings = F.normalize(self.wav2clip(self.sounds.batch(chosen)), dim=-1)
        logits = self.scale.exp().clamp(max=60) * embeddings @ self.pictures[chosen].T
        right = torch.arange(self.batch)
        return 0.5 * (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right))
