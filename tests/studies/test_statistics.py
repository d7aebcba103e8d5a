"""Means, intervals and paired differences against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from v2a_lightning.studies.statistics import holm, paired_difference, summarise

VALUES = [3.0, 5.0, 4.0, 8.0, 5.0]


def test_summary_is_students_interval() -> None:
    summary = summarise(VALUES)
    low, high = stats.t.interval(0.95, len(VALUES) - 1, np.mean(VALUES), stats.sem(VALUES))
    assert summary.value == 5.0
    assert summary.deviation == pytest.approx(np.std(VALUES, ddof=1))
    assert (summary.low, summary.high) == pytest.approx((low, high))
    assert len(summary.points) == 5


def test_one_value_has_no_interval() -> None:
    summary = summarise([2.0])
    assert summary.value == 2.0
    assert all(math.isnan(value) for value in (summary.deviation, summary.low, summary.high))


def test_the_interval_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    covered = [
        one.low <= 1.0 <= one.high for one in (summarise(random.normal(1.0, 2.0, 5).tolist()) for _ in range(2000))
    ]
    assert 0.93 < np.mean(covered) < 0.97


def test_no_value_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to summarise"):
        summarise([])


def test_difference_pairs_the_seeds_that_both_have() -> None:
    first = {0: 10.0, 1: 20.0, 2: 30.0, 3: 99.0}
    second = {0: 11.0, 1: 21.5, 2: 30.5, 7: 0.0}
    difference = paired_difference(first, second)
    assert difference is not None
    assert difference.points == (1.0, 1.5, 0.5)
    expected = stats.ttest_rel([11.0, 21.5, 30.5], [10.0, 20.0, 30.0])
    assert difference.p_value == pytest.approx(float(expected.pvalue))


def test_difference_without_a_shared_seed() -> None:
    assert paired_difference({0: 1.0}, {1: 2.0}) is None


def test_difference_that_is_always_the_same() -> None:
    difference = paired_difference({0: 1.0, 1: 2.0}, {0: 2.0, 1: 3.0})
    assert difference is not None
    assert difference.p_value == 0.0


def test_difference_that_is_always_zero() -> None:
    same = paired_difference({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0})
    assert same is not None
    assert same.p_value == 1.0


def test_holm_against_a_worked_example() -> None:
    # 0.01 x 4, 0.02 x 3, 0.03 x 2 but no less than the one before it, 0.5 x 1; what was not tested does not count.
    assert holm([0.03, 0.01, math.nan, 0.5, 0.02]) == pytest.approx([0.06, 0.04, math.nan, 0.5, 0.06], nan_ok=True)
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.7, 0.8]) == [1.0, 1.0]
