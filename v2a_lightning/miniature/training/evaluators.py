"""The ears of the metrics, in the real architectures at small widths: a tagger, VGGish, and Wav2CLIP."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.evaluation.extractors.cnn14 import Cnn14, Cnn14Config
from v2a_lightning.evaluation.extractors.vggish import VGGish, VGGishConfig
from v2a_lightning.evaluation.extractors.wav2clip import Wav2CLIP, Wav2CLIPConfig
from v2a_lightning.miniature.training.part import Part
from v2a_lightning.miniature.training.sounds import Sounds
from v2a_lightning.miniature.world.events import EVENT_NAMES

CLASSES = len(EVENT_NAMES)


class TaggerTraining(Part):
    """Cnn14 on the events of a clip; a clip with two scenes bears both, in proportion to their length."""

    def __init__(self, sounds: Sounds, steps: int = 700, batch: int = 32, seed: int = 6) -> None:
        super().__init__(steps, learning_rate=1e-3, seed=seed)
        self.sounds = sounds
        self.batch = batch
        self.targets = event_shares(sounds)
        torch.manual_seed(seed)
        self.tagger = Cnn14(Cnn14Config(width=8, classes=CLASSES))

    def loss(self, random: np.random.Generator) -> Tensor:
        chosen = random.integers(0, self.sounds.count, self.batch)
        output = self.tagger(self.sounds.batch(chosen))
        return F.cross_entropy(output.logits, self.targets[chosen], label_smoothing=0.02)


class VGGishTraining(Part):
    """VGGish on the events of 0.96 s pieces, through a linear head that is thrown away."""

    def __init__(self, sounds: Sounds, steps: int = 800, batch: int = 32, seed: int = 7) -> None:
        super().__init__(steps, learning_rate=1e-3, seed=seed)
        self.sounds = sounds
        self.batch = batch
        torch.manual_seed(seed)
        self.vggish = VGGish(VGGishConfig(width=12, hidden=256))
        self.head = nn.Linear(self.vggish.config.embedding, CLASSES)

    def loss(self, random: np.random.Generator) -> Tensor:
        # With one scene every piece of the clip is of its event.
        chosen = random.choice(self.sounds.single, self.batch)
        embeddings = self.vggish(self.sounds.batch(chosen))
        logits = self.head(F.relu(embeddings)).mean(dim=1)
        return F.cross_entropy(logits, self.sounds.events[chosen], label_smoothing=0.02)


class Wav2CLIPTraining(Part):
    """Wav2CLIP: an audio encoder into frozen CLIP's space, by contrast with the clip's own pictures.

    Args:
        pictures: (count, 512) CLIP embedding of each clip, the average over its frames.
    """

    def __init__(self, sounds: Sounds, pictures: Tensor, steps: int = 800, batch: int = 48, seed: int = 8) -> None:
        super().__init__(steps, learning_rate=1e-3, seed=seed, threads=2)
        self.sounds = sounds
        self.pictures = pictures
        self.batch = batch
        torch.manual_seed(seed)
        self.wav2clip = Wav2CLIP(Wav2CLIPConfig(width=16))
        self.scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))

    def loss(self, random: np.random.Generator) -> Tensor:
        chosen = random.integers(0, len(self.pictures), self.batch)
        heard = F.normalize(self.wav2clip(self.sounds.batch(chosen)), dim=-1)
        logits = self.scale.exp().clamp(max=60) * heard @ self.pictures[chosen].T
        right = torch.arange(self.batch)
        return 0.5 * (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right))


def event_shares(sounds: Sounds) -> Tensor:
    """(count, classes) the share of each clip's time that each event takes."""
    shares = torch.zeros(sounds.count, CLASSES)
    for row, clip in enumerate(sounds.clips):
        parts = (clip.boundary, 1 - clip.boundary)
        for scene, part in zip(clip.scenes, parts, strict=False):
            shares[row, EVENT_NAMES.index(scene.event)] += part
    return shares / shares.sum(1, keepdim=True)


def extractors() -> dict[str, nn.Module]:
    """The evaluators with random weights, by their folders' names."""
    return {
        "cnn14": Cnn14(Cnn14Config(width=8, classes=CLASSES)),
        "vggish": VGGish(VGGishConfig(width=12, hidden=256)),
        "wav2clip": Wav2CLIP(Wav2CLIPConfig(width=16)),
    }
