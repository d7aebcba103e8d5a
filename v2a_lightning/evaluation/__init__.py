"""Metrics of generated sound, the extractors they listen with, and the cards their numbers leave with.

`EvaluationSuite` scores sounds from end to end. The torchmetrics classes take features of any extractor. EVALUATION.md
beside this file says how every number is made, step by step.
"""

from v2a_lightning.evaluation.cards import MetricCard, differing_fields
from v2a_lightning.evaluation.catalogue import CATALOGUE
from v2a_lightning.evaluation.divergence import InceptionScore, KullbackLeibler, SigmoidKullbackLeibler
from v2a_lightning.evaluation.embeddings import EmbeddingMetrics
from v2a_lightning.evaluation.extrapolation import FrechetAtInfinity, frechet_at_infinity
from v2a_lightning.evaluation.frechet import FrechetDistance, frechet_distance, frechet_distance_from_moments
from v2a_lightning.evaluation.kernel import KernelDistance, kernel_distance, paired_kernel_distance
from v2a_lightning.evaluation.neighbours import PrecisionRecallDensityCoverage, neighbourhoods
from v2a_lightning.evaluation.similarity import ClapScore, ClipScore, ClipScoreOfMeanFrame
from v2a_lightning.evaluation.suite import EvaluationSuite

__all__ = [
    "CATALOGUE",
    "ClapScore",
    "ClipScore",
    "ClipScoreOfMeanFrame",
    "EmbeddingMetrics",
    "EvaluationSuite",
    "FrechetAtInfinity",
    "FrechetDistance",
    "InceptionScore",
    "KernelDistance",
    "KullbackLeibler",
    "MetricCard",
    "PrecisionRecallDensityCoverage",
    "SigmoidKullbackLeibler",
    "differing_fields",
    "frechet_at_infinity",
    "frechet_distance",
    "frechet_distance_from_moments",
    "kernel_distance",
    "neighbourhoods",
    "paired_kernel_distance",
]
