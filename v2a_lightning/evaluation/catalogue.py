"""Every metric by name: the one list that suite, cards, tables, reports, studies and docs read."""

import importlib
from collections.abc import Iterable, Sequence

from v2a_lightning.distances import RANKS
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.divergence import (
    InceptionScore,
    KullbackLeibler,
    SigmoidKullbackLeibler,
    SplitInceptionScore,
)
from v2a_lightning.evaluation.frechet import FrechetAtInfinity, FrechetAudioDistance, FrechetDistance
from v2a_lightning.evaluation.kernel import KernelDistance
from v2a_lightning.evaluation.metric import AudioMetric, Number
from v2a_lightning.evaluation.neighbours import PrecisionRecallDensityCoverage
from v2a_lightning.evaluation.package_metrics import (
    DeSync,
    ImageBindScore,
    PasstFrechetDistance,
    PasstInceptionScore,
    PasstKullbackLeibler,
)
from v2a_lightning.evaluation.similarity import ClapAudioScore, ClapTextScore, ClipScore, ClipScoreOfMeanFrame

DEFAULT = "default"
"""Stands for the metrics that need no package of their own."""
DEFAULT_METRICS: tuple[type[AudioMetric], ...] = (
    FrechetDistance,
    FrechetAudioDistance,
    FrechetAtInfinity,
    KernelDistance,
    KullbackLeibler,
    SigmoidKullbackLeibler,
    InceptionScore,
    SplitInceptionScore,
    ClipScore,
    ClipScoreOfMeanFrame,
    ClapAudioScore,
    ClapTextScore,
    PrecisionRecallDensityCoverage,
)
PACKAGE_METRICS: tuple[type[AudioMetric], ...] = (
    PasstFrechetDistance,
    PasstKullbackLeibler,
    PasstInceptionScore,
    ImageBindScore,
    DeSync,
)
CLASSES = {name: metric for metric in DEFAULT_METRICS + PACKAGE_METRICS for name in metric.numbers()}
CATALOGUE: dict[str, Number] = {name: metric.numbers()[name] for name, metric in CLASSES.items()}
"""The numbers about sound, by name, in the order in which tables have them."""
EMBEDDING_NUMBERS = {
    "embedding_fd": Number("Embedding FD", "lower", meaning="Fréchet distance of mapped and true CLAP embeddings"),
    "embedding_kad": Number("Embedding KAD", "lower", meaning="kernel distance of mapped and true CLAP embeddings"),
    "cosine": Number("Cosine", "higher", meaning="to the true embedding, and to an unrelated clip's"),
    "cosine_unrelated": Number("Cosine, unrelated", None, meaning="to an unrelated clip's embedding"),
    **{
        f"recall@{rank}": Number(
            f"Recall@{rank}", "higher", meaning=f"share of clips with the own sound in the nearest {rank}"
        )
        for rank in RANKS
    },
}
"""The numbers about embeddings, which the mapper logs."""


def choose(metrics: Sequence[str]) -> tuple[list[type[AudioMetric]], list[str]]:
    """The metrics of a list of names, class paths and "default", and the names of the numbers wanted of them.

    Raises:
        UsageError: naming what is no metric.
    """
    wanted: dict[str, type[AudioMetric]] = {}
    for one in metrics:
        if one == DEFAULT:
            wanted |= {name: metric for metric in DEFAULT_METRICS for name in metric.numbers()}
        elif one in CLASSES:
            wanted[one] = CLASSES[one]
        else:
            metric = _imported(one)
            wanted |= dict.fromkeys(metric.numbers(), metric)
    names = in_order(wanted)
    return list(dict.fromkeys(wanted[name] for name in names)), names


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order of tables: the catalogue's, then those of metrics that others wrote."""
    names = list(dict.fromkeys(names))
    return [*(name for name in CATALOGUE if name in names), *(name for name in names if name not in CATALOGUE)]


def _imported(class_path: str) -> type[AudioMetric]:
    module, _, name = class_path.rpartition(".")
    if not module:
        known = ", ".join([DEFAULT, *CLASSES])
        raise UsageError(f"metrics: there is no metric {class_path!r}; there are {known}, or give a class path")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"metrics: {class_path} cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, AudioMetric)):
        raise UsageError(f"metrics: {class_path} is no ClipMetric or SetMetric")
    missing = [one for one in ("name", "title", "needs") if not hasattr(found, one) and "numbers" not in vars(found)]
    if missing:
        raise UsageError(f"metrics: {class_path} does not say its {missing[0]}")
    return found
