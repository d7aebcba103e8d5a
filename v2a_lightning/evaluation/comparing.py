"""Several systems side by side: only where their cards allow it, with paired bootstrap differences."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.cards import differing_fields
from v2a_lightning.evaluation.catalogue import CATALOGUE
from v2a_lightning.evaluation.score_files import ScoreFile
from v2a_lightning.evaluation.scoring import Score


@dataclass(frozen=True)
class Difference:
    """How a system's number differs from the first system's.

    Args:
        value: number less the first system's.
        low: lower end of its 95 % interval.
        high: upper end.
        p_value: of no difference, two-sided, at least 2 / (resamples + 1).
    """

    value: float
    low: float
    high: float
    p_value: float


def check_comparable(files: Sequence[ScoreFile]) -> None:
    """Every two systems' numbers of a metric have the same card, up to what is the systems' own doing.

    Raises:
        UsageError: naming the metric, the field and its two values.
    """
    first = files[0]
    for other in files[1:]:
        for name in [name for name in first.cards if name in other.cards]:
            if fields := differing_fields(first.cards[name], other.cards[name]):
                values = [getattr(card, fields[0]) for card in (first.cards[name], other.cards[name])]
                raise UsageError(
                    f"{first.name} and {other.name} cannot be compared: the cards of {name} differ in "
                    f"{', '.join(fields)} ({fields[0]}: {_shown(values[0])} and {_shown(values[1])})"
                )
        # Without resamples there is no p-value to be wrong; numbers as they are may be put side by side.
        drawn = first.resamples and other.resamples
        if drawn and (first.resamples, first.seed) != (other.resamples, other.seed):
            raise UsageError(
                f"{first.name} and {other.name} took other resamples ({first.resamples}, seed {first.seed} and "
                f"{other.resamples}, seed {other.seed}); evaluate both with the same --resamples and --seed"
            )


def paired_difference(first: Score, second: Score) -> Difference | None:
    """Difference of two numbers from the same clips and the same resamples; None without resamples.

    Paired bootstrap: each resample draws the same clips for both systems, so that what is easy or hard about a clip
    cancels. The differences are moved to have the measured difference as their mean.
    """
    if not len(first.replicates) or len(first.replicates) != len(second.replicates):
        return None
    value = second.value - first.value
    differences = second.replicates - first.replicates
    differences = differences - differences.mean() + value
    low, high = torch.quantile(differences, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return Difference(value, low, high, min(1.0, 2 * (beyond + 1) / (len(differences) + 1)))


def best_system(name: str, files: Sequence[ScoreFile]) -> int | None:
    """Place of the system with the best number of a metric; None when fewer than two have one."""
    values = [(file.scores.found[name].value, place) for place, file in enumerate(files) if name in file.scores.found]
    if len(values) < 2:
        return None
    return (min if CATALOGUE[name].better == "lower" else max)(values)[1]


def _shown(value: object) -> str:
    text = str(value)
    return f"{text[:16]}..." if len(text) > 60 else text
