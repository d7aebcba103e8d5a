"""How far raters agree: Krippendorff's alpha, computed by the package of that name."""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.errors import UsageError
from v2a_lightning.listening.answers import SCALE, Responses
from v2a_lightning.listening.opinion import estimate
from v2a_lightning.reports.tables import Cell, Interval

Counts = NDArray[np.float64]
Level = Literal["ordinal", "nominal"]


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha of one question.

    Args:
        question: "fidelity", "relevance" or "preference".
        level: of measurement: "ordinal" for scales, "nominal" for preferences.
        alpha: 1 for agreement, 0 for chance; its interval is over clips. NaN where it is not defined.
        units: what at least two raters judged: sounds, or pairs of sounds.
    """

    question: str
    level: Level
    alpha: Interval
    units: int

    def row(self) -> dict[str, Cell]:
        """In a table, by heading."""
        return {"Question": self.question, "Level": self.level, "Alpha": self.alpha, "Units": str(self.units)}


def check_library() -> None:
    """Raises UsageError when the package krippendorff is missing."""
    from importlib.util import find_spec

    if find_spec("krippendorff") is None:
        raise UsageError("the analysis needs the package krippendorff: pip install 'v2a-lightning[listening]'")


def agreements(responses: Responses, resamples: int, seed: int) -> list[Agreement]:
    """Alpha of every question, over the systems' sounds: anchors would raise it by being easy.

    The interval is of alpha over resamples of the clips, with all that was judged of a clip drawn together. Raters are
    not resampled, since a rater drawn twice agrees with himself.
    """
    drawn = np.random.default_rng(seed).integers(len(responses.clips), size=(resamples, len(responses.clips)))
    counted = {scale: _rating_counts(responses, scale) for scale in responses.ratings}
    found = [_agreement(scale, "ordinal", counts, drawn) for scale, counts in counted.items()]
    choices = _choice_counts(responses)
    return [*found, _agreement("preference", "nominal", choices, drawn)] if choices.size else found


def _agreement(question: str, level: Level, counts: Counts, drawn: NDArray[np.int64]) -> Agreement:
    replicates = np.array([_alpha(counts[:, clips], level) for clips in drawn])
    units = int((counts.sum(2) >= 2).sum())
    return Agreement(question, level, estimate(_alpha(counts, level), replicates), units)


def _alpha(counts: Counts, level: Level) -> float:
    """Alpha of counts (units, clips, values); NaN without variation, or with one judgement a unit."""
    import krippendorff

    flat = counts.reshape(-1, counts.shape[2])
    flat = flat[flat.sum(1) >= 2]
    if (flat.sum(0) > 0).sum() < 2:
        return float("nan")
    domain = list(range(counts.shape[2]))
    return float(krippendorff.alpha(value_counts=flat, level_of_measurement=level, value_domain=domain))


def _rating_counts(responses: Responses, scale: str) -> Counts:
    """How many raters gave each value: (systems, clips, 5)."""
    ratings = responses.ratings[scale][:, [responses.names.index(name) for name in responses.systems]]
    return np.asarray(np.stack([(ratings == value).sum(0) for value in SCALE], axis=-1), np.float64)


def _choice_counts(responses: Responses) -> Counts:
    """How many raters chose the first and the second of each pair of systems: (pairs, clips, 2)."""
    pairs = list(combinations(responses.systems, 2)) if responses.choices else []
    counts = np.zeros((len(pairs), len(responses.clips), 2))
    for choice in responses.choices:
        for place, pair in enumerate(pairs):
            if {choice.chosen, choice.other} == set(pair):
                counts[place, choice.clip, pair.index(choice.chosen)] += 1
    return counts
