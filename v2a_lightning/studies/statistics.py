"""Several seeds as one number: mean, standard deviation, 95 % interval; and differences of the same seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from v2a_lightning.reports.charts import Interval
from v2a_lightning.reports.tables import number

COVERAGE = 0.95


@dataclass(frozen=True)
class Summary:
    """Values of several seeds: mean, sample standard deviation, ends of the mean's 95 % interval (Student's t).

    All but the mean are NaN for one value.
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

    @property
    def interval(self) -> Interval:
        """As a chart draws it."""
        return Interval(self.mean, self.low, self.high, self.values)

    def __str__(self) -> str:
        """Mean ± standard deviation [interval]."""
        if self.count == 1:
            return _signed(self.mean, plus="")
        digits = self._digits()
        return f"{_fixed(self.mean, digits)} ± {_fixed(self.deviation, digits)}{self.ends()}"

    def ends(self) -> str:
        """The interval, to two digits of its reach; "" for one value."""
        if self.count == 1:
            return ""
        digits = self._digits()
        return f" [{_fixed(self.low, digits)}, {_fixed(self.high, digits)}]"

    def numbers(self) -> dict[str, float]:
        """For a CSV."""
        return {"": self.mean, " sd": self.deviation, " low": self.low, " high": self.high, " n": self.count}

    def _digits(self) -> int:
        """Two digits of the interval's reach; three of the mean when all values are the same, but for rounding."""
        reach = abs(self.high - self.mean)
        spread = reach > 1e-6 * abs(self.mean) and math.isfinite(reach)
        scale, wanted = (reach, 1) if spread else (abs(self.mean), 2)
        return 3 if scale == 0 else min(6, max(0, wanted - math.floor(math.log10(scale))))


@dataclass(frozen=True)
class Difference:
    """A row less the baseline by seed, with the p of no difference: two-sided paired t-test, NaN for one seed."""

    summary: Summary
    p_value: float

    def __str__(self) -> str:
        if not any(self.summary.values):
            return "0"
        text = f"{_signed(self.summary.mean, plus='+')}{self.summary.ends()}"
        return text if math.isnan(self.p_value) else f"{text}, p = {self.p_value:.2g}"

    def numbers(self) -> dict[str, float]:
        """For a CSV."""
        return {**self.summary.numbers(), " p": self.p_value}


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


def _fixed(value: float, digits: int) -> str:
    """With the typographer's minus, as everywhere in these tables."""
    return f"{value:.{digits}f}".replace("-", "−")


def _signed(value: float, plus: str) -> str:
    return f"{plus if value > 0 else '−' if value < 0 else ''}{number(abs(value))}"
