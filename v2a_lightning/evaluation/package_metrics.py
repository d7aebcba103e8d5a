"""Metrics through packages that this project does not depend on: PaSST, ImageBind, Synchformer."""

from typing import ClassVar

from torch import Tensor

from v2a_lightning.evaluation.divergence import InceptionScore, KullbackLeibler
from v2a_lightning.evaluation.extractors.packages import ImageBindFeatures, PasstFeatures
from v2a_lightning.evaluation.extractors.synchformer import SynchformerFeatures
from v2a_lightning.evaluation.frechet import FrechetDistance
from v2a_lightning.evaluation.metric import ClipMetric


class PasstFrechetDistance(FrechetDistance):
    """`FrechetDistance` of PaSST's embeddings (N, 768).

    Example:
        >>> metric = PasstFrechetDistance()
        >>> metric.update(generated=torch.eye(768)[:4] + 1, reference=torch.eye(768)[:4])
        >>> round(float(metric.compute()), 4)
        768.0
    """

    name, title, headline = "fd_passt", "FD PaSST", False
    formula = "Frechet distance of one embedding (768) per clip"
    needs: ClassVar = {"generated": "passt/embedding", "reference": "passt/embedding"}
    extractors: ClassVar = {"passt": PasstFeatures}


class PasstKullbackLeibler(KullbackLeibler):
    """`KullbackLeibler` of PaSST's logits, (N, 527) each.

    Example:
        >>> metric = PasstKullbackLeibler()
        >>> metric.update(torch.zeros(2, 527), torch.zeros(2, 527))
        >>> float(metric.compute())
        0.0
    """

    name, title, headline = "kl_passt", "KL PaSST", False
    formula = "as KL, on PaSST's logits"
    needs: ClassVar = {"generated": "passt/logits", "reference": "passt/logits"}
    extractors: ClassVar = {"passt": PasstFeatures}


class PasstInceptionScore(InceptionScore):
    """`InceptionScore` of PaSST's logits (N, 527).

    Example:
        >>> metric = PasstInceptionScore()
        >>> metric.update(1000 * torch.eye(527)[:3])
        >>> round(float(metric.compute()), 4)
        3.0
    """

    name, title, headline = "is_passt", "IS PaSST", False
    formula = "as IS, on PaSST's logits"
    needs: ClassVar = {"generated": "passt/logits"}
    extractors: ClassVar = {"passt": PasstFeatures}


class _Given(ClipMetric):
    """The mean of what an extractor gives of each clip."""

    def score(self, generated: Tensor) -> Tensor:  # type: ignore[override]
        """() -> ()."""
        return generated


class ImageBindScore(_Given):
    """Mean of 100 x the cosine between a sound and its video in ImageBind's space: `update(scores (N,))`.

    Example:
        >>> metric = ImageBindScore()
        >>> metric.update(torch.tensor([20.0, 40.0]))
        >>> float(metric.compute())
        30.0
    """

    name, title, better, headline = "imagebind", "ImageBind", "higher", False
    formula = "100 x cosine of sound and video, mean over clips"
    needs: ClassVar = {"generated": "imagebind/score"}
    extractors: ClassVar = {"imagebind": ImageBindFeatures}


class DeSync(_Given):
    """Mean absolute offset between sound and video: `update(seconds (N,))`.

    Example:
        >>> metric = DeSync()
        >>> metric.update(torch.tensor([0.0, 0.5]))
        >>> float(metric.compute())
        0.25
    """

    name, title, floor, headline = "desync", "DeSync", 0.0, False
    formula = "mean absolute offset in seconds that Synchformer predicts"
    needs: ClassVar = {"generated": "desync/seconds"}
    extractors: ClassVar = {"desync": SynchformerFeatures}
