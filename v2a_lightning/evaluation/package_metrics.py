"""Metrics through packages that this project does not depend on: PaSST, ImageBind, Synchformer."""

from typing import ClassVar

from torch import Tensor

from v2a_lightning.evaluation.divergence import InceptionScore, KullbackLeibler
from v2a_lightning.evaluation.extractors.imagebind import ImageBindFeatures
from v2a_lightning.evaluation.extractors.passt import PasstFeatures
from v2a_lightning.evaluation.extractors.synchformer import SynchformerFeatures
from v2a_lightning.evaluation.frechet import FrechetDistance
from v2a_lightning.evaluation.metric import ClipMetric


class PasstFrechetDistance(FrechetDistance):
    """`FrechetDistance` of PaSST's embeddings."""

    name, title, headline = "fd_passt", "FD PaSST", False
    formula = "Frechet distance of one embedding (768) per clip"
    needs: ClassVar = {"generated": "passt/embedding", "reference": "passt/embedding"}
    extractors: ClassVar = {"passt": PasstFeatures}


class PasstKullbackLeibler(KullbackLeibler):
    """`KullbackLeibler` on PaSST's logits."""

    name, title, headline = "kl_passt", "KL PaSST", False
    formula = "as KL, on PaSST's logits"
    needs: ClassVar = {"generated": "passt/logits", "reference": "passt/logits"}
    extractors: ClassVar = {"passt": PasstFeatures}


class PasstInceptionScore(InceptionScore):
    """`InceptionScore` on PaSST's logits."""

    name, title, headline = "is_passt", "IS PaSST", False
    formula = "as IS, on PaSST's logits"
    needs: ClassVar = {"generated": "passt/logits"}
    extractors: ClassVar = {"passt": PasstFeatures}


class ImageBindScore(ClipMetric):
    """Mean of 100 x the cosine between a sound and its video in ImageBind's space: `update(scores (N,))`."""

    name, title, better, headline = "imagebind", "ImageBind", "higher", False
    formula = "100 x cosine of sound and video, mean over clips"
    needs: ClassVar = {"generated": "imagebind/score"}
    extractors: ClassVar = {"imagebind": ImageBindFeatures}

    def score(self, generated: Tensor) -> Tensor:  # type: ignore[override]
        """() -> ()."""
        return generated


class DeSync(ClipMetric):
    """Mean absolute offset between sound and video: `update(seconds (N,))`."""

    name, title, floor, headline = "desync", "DeSync", 0.0, False
    formula = "mean absolute offset in seconds that Synchformer predicts"
    needs: ClassVar = {"generated": "desync/seconds"}
    extractors: ClassVar = {"desync": SynchformerFeatures}

    def score(self, generated: Tensor) -> Tensor:  # type: ignore[override]
        """() -> ()."""
        return generated
