"""Sounds, and reduced extractors with random weights in the shipped ones' format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from v2a_lightning.evaluation import EvaluationSuite
from v2a_lightning.evaluation.extractors import Cnn14, Cnn14Config, VGGish, VGGishConfig, Wav2CLIP, Wav2CLIPConfig

RATE = 16_000


def sound(seed: int, seconds: float = 2.56, rate: int = RATE) -> np.ndarray:
    """A few decaying partials in noise, other ones for each seed."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    waveform = 0.02 * random.standard_normal(len(time))
    for _ in range(4):
        frequency, decay, start = random.uniform(100, 5000), random.uniform(1, 10), random.uniform(0, seconds / 2)
        passed = np.maximum(0.0, time - start)
        waveform += 0.15 * (time >= start) * np.exp(-decay * passed) * np.sin(2 * np.pi * frequency * passed)
    return waveform.astype(np.float32)


def add_clips(
    suite: EvaluationSuite,
    clip_ids: Sequence[str],
    generated: Sequence[Any],
    rate: int,
    references: Sequence[Any] | None = None,
    frames: Sequence[torch.Tensor] | None = None,
    reference_rate: int | None = None,
    videos: Sequence[Path] | None = None,
    **others: Any,
) -> None:
    """Add clips whose sounds share a rate, and whose references do."""
    nothing = [None] * len(clip_ids)
    columns = zip(clip_ids, generated, references or nothing, frames or nothing, videos or nothing, strict=True)
    for clip_id, sound, own, seen, video in columns:
        reference = None if own is None else (own, reference_rate or rate)
        suite.add(clip_id, (sound, rate), reference, seen, video=video, **others)


@torch.no_grad()
def settle(extractor: torch.nn.Module, sounds: torch.Tensor) -> None:
    """Fit the batch norms to real sounds, so that random features tell sounds apart, and make tags definite."""
    norms = [module for module in extractor.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    extractor.train()(sounds)
    if isinstance(extractor, Cnn14):
        extractor.fc_audioset.weight *= 20


@pytest.fixture(scope="session")
def extractors(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> dict[str, str]:
    """Folders of a random tagger, VGGish, Wav2CLIP and CLIP, as `EvaluationSuite` takes them."""
    folder = tmp_path_factory.mktemp("extractors")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = {
            "tagger": Cnn14(Cnn14Config(width=4, classes=12)),
            "vggish": VGGish(VGGishConfig(width=4, hidden=32)),
            "wav2clip": Wav2CLIP(Wav2CLIPConfig(width=4)),
        }
    sounds = torch.from_numpy(np.stack([sound(1000 + seed) for seed in range(8)]))
    for name, part in parts.items():
        settle(part, sounds)
        part.save_pretrained(Path(folder) / name)
    return {name: str(folder / name) for name in parts} | {"clip": str(weights / "clip")}
