"""Metrics of generated sound, the networks whose features they take, and the cards their numbers leave with.

`EvaluationSuite` scores sounds from end to end. The torchmetrics classes take features of any extractor; the catalogue
names them. docs/EVALUATION.md says how every number is computed, and in which files.
"""

from v2a_lightning.evaluation.cards import MetricCard, differing_fields
from v2a_lightning.evaluation.catalogue import CATALOGUE
from v2a_lightning.evaluation.divergence import (
    InceptionScore,
    KullbackLeibler,
    SigmoidKullbackLeibler,
    SplitInceptionScore,
)
from v2a_lightning.evaluation.features import FeatureExtractor
from v2a_lightning.evaluation.frechet import FrechetAtInfinity, FrechetAudioDistance, FrechetDistance
from v2a_lightning.evaluation.kernel import KernelDistance
from v2a_lightning.evaluation.metric import AudioMetric, ClipMetric, SetMetric
from v2a_lightning.evaluation.neighbours import PrecisionRecallDensityCoverage
from v2a_lightning.evaluation.reading import ClipFiles
from v2a_lightning.evaluation.similarity import ClapAudioScore, ClapTextScore, ClipScore, ClipScoreOfMeanFrame
from v2a_lightning.evaluation.suite import EvaluationSuite

__all__ = [
    "CATALOGUE",
    "AudioMetric",
    "ClapAudioScore",
    "ClapTextScore",
    "ClipFiles",
    "ClipMetric",
    "ClipScore",
    "ClipScoreOfMeanFrame",
    "EvaluationSuite",
    "FeatureExtractor",
    "FrechetAtInfinity",
    "FrechetAudioDistance",
    "FrechetDistance",
    "InceptionScore",
    "KernelDistance",
    "KullbackLeibler",
    "MetricCard",
    "PrecisionRecallDensityCoverage",
    "SetMetric",
    "SigmoidKullbackLeibler",
    "SplitInceptionScore",
    "differing_fields",
]
