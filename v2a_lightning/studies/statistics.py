"""Several seeds as one number: mean, standard deviation, 95 % interval; and differences of the same seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from v2a_lightning.reports.tables import Interval, number

COVERAGE = 0.95


@dataclass(frozen=True)
class Summary(Interval):
    """Values of several seeds: their mean, its 95 % interval by Student's t, and their sample standard deviation.

    All but the mean are NaN for one value.
    """

    deviation: float = math.nan

    def __str__(self) -> str:
        """Mean ± standard deviation [interval]."""
        if len(self.points) == 1:
            return signed(self.value)
        return f"{self.fixed(self.value)} ± {self.fixed(self.deviation)}{self.ends()}"

    def numbers(self) -> dict[str, float]:
        """For a CSV."""
        count = len(self.points)
        return {"": self.value, " sd": self.deviation, " low": self.low, " high": self.high, " n": count}


@dataclass(frozen=True)
class Difference(Summary):
    """A row less the baseline by seed, with the p of no difference: two-sided paired t-test, NaN for one seed."""

    p_value: float = math.nan

    def __str__(self) -> str:
        if not any(self.points):
            return "0"
        text = f"{signed(self.value, plus='+')}{self.ends()}"
        return text if math.isnan(self.p_value) else f"{text}, p = {self.p_value:.2g}"

    def numbers(self) -> dict[str, float]:
        """For a CSV."""
        return {**super().numbers(), " p": self.p_value}


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and 95 % interval by Student's t.

    Raises:
        ValueError: without a value.
    """
    if not values:
        raise ValueError("nothing to summarise")
    from scipy import stats

    numbers = np.asarray(values, np.float64)
    mean, points = float(numbers.mean()), tuple(numbers.tolist())
    if len(points) == 1:
        return Summary(mean, points=points)
    deviation = float(numbers.std(ddof=1))
    reach = float(stats.t.ppf((1 + COVERAGE) / 2, len(points) - 1)) * deviation / math.sqrt(len(points))
    return Summary(mean, mean - reach, mean + reach, points, deviation)


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> Difference | None:
    """`second` less `first` over the seeds that both have; None when they share none."""
    shared = sorted(first.keys() & second.keys())
    if not shared:
        return None
    from scipy import stats

    summary = summarise([second[seed] - first[seed] for seed in shared])
    p_value = math.nan
    if summary.deviation == 0:
        p_value = 1.0 if summary.value == 0 else 0.0
    elif len(shared) > 1:
        p_value = float(stats.ttest_1samp(summary.points, 0.0).pvalue)
    return Difference(**vars(summary), p_value=p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p of several tests: below alpha where the whole family's error stays below alpha.

    A NaN, of a test that was not made, stays NaN and does not count.
    """
    adjusted = np.full(len(p_values), math.nan)
    made = np.flatnonzero(~np.isnan(p_values))
    order = made[np.argsort(np.asarray(p_values)[made], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, factors * np.asarray(p_values)[order]))
    return [float(one) for one in adjusted]


def signed(value: float, plus: str = "") -> str:
    """Three digits that count, with the typographer's minus."""
    return f"{plus if value > 0 else '−' if value < 0 else ''}{number(abs(value))}"
