"""The networks behind the metrics: the same classes for the published weights and the miniature's."""

from pathlib import Path
from typing import Any

from v2a_lightning.checkpoints.registry import resolve
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.extractors.cnn14 import Cnn14, Cnn14Config, TaggerOutput
from v2a_lightning.evaluation.extractors.extractor import Extractor, frozen
from v2a_lightning.evaluation.extractors.vggish import VGGish, VGGishConfig
from v2a_lightning.evaluation.extractors.wav2clip import Wav2CLIP, Wav2CLIPConfig

EXTRACTORS: dict[str, type[Extractor[Any]]] = {"cnn14": Cnn14, "vggish": VGGish, "wav2clip": Wav2CLIP}


def load_extractor(kind: str, checkpoint: str | Path = "miniature") -> Extractor[Any]:
    """A frozen "cnn14", "vggish" or "wav2clip", from any checkpoint that `checkpoints.registry.resolve` finds.

    Raises:
        UsageError: when the kind is unknown or the checkpoint missing or another network's.
    """
    if kind not in EXTRACTORS:
        raise UsageError(f"unknown extractor {kind!r}; known are {', '.join(EXTRACTORS)}")
    return frozen(EXTRACTORS[kind].from_pretrained(resolve(str(checkpoint), kind)))


__all__ = [
    "EXTRACTORS",
    "Cnn14",
    "Cnn14Config",
    "Extractor",
    "TaggerOutput",
    "VGGish",
    "VGGishConfig",
    "Wav2CLIP",
    "Wav2CLIPConfig",
    "load_extractor",
]
