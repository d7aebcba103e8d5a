"""Several seeds as one number: mean, standard deviation, 95 % interval; and differences of the same seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

COVERAGE = 0.95


@dataclass(frozen=True)
class Summary:
    """Values of several seeds.

    Args:
        mean: of the values.
        deviation: sample standard deviation; NaN for one value.
        low: lower end of the 95 % interval of the mean (Student's t); NaN for one value.
        high: upper end.
        values: the values themselves.
    """

    mean: float
    deviation: float
    low: float
    high: float
    values: tuple[float, ...]

    @property
    def count(self) -> int:
        """How many values."""
        return len(self.values)


@dataclass(frozen=True)
class Difference:
    """A row less the baseline, seed by seed.

    Args:
        summary: of the differences.
        p_value: of no difference, two-sided, by the paired t-test; NaN for fewer than two seeds.
    """

    summary: Summary
    p_value: float


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and 95 % interval by Student's t.

    Raises:
        ValueError: without a value.
    """
    if not values:
        raise ValueError("nothing to summarise")
    from scipy import stats

    numbers = np.asarray(values, np.float64)
    mean = float(numbers.mean())
    if len(numbers) == 1:
        return Summary(mean, math.nan, math.nan, math.nan, (mean,))
    deviation = float(numbers.std(ddof=1))
    reach = float(stats.t.ppf((1 + COVERAGE) / 2, len(numbers) - 1)) * deviation / math.sqrt(len(numbers))
    return Summary(mean, deviation, mean - reach, mean + reach, tuple(numbers.tolist()))


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> Difference | None:
    """`second` less `first` over the seeds that both have; None when they share none."""
    shared = sorted(first.keys() & second.keys())
    if not shared:
        return None
    differences = [second[seed] - first[seed] for seed in shared]
    summary = summarise(differences)
    if len(shared) < 2:
        return Difference(summary, math.nan)
    if summary.deviation == 0:
        return Difference(summary, 1.0 if summary.mean == 0 else 0.0)
    from scipy import stats

    return Difference(summary, float(stats.ttest_1samp(differences, 0.0).pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p of several tests: below alpha where the whole family's error stays below alpha.

    A NaN, of a test that was not made, stays NaN and does not count.
    """
    adjusted = [math.nan] * len(p_values)
    made = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    largest = 0.0
    for rank, (p, place) in enumerate(made):
        largest = max(largest, min(1.0, (len(made) - rank) * p))
        adjusted[place] = largest
    return adjusted
