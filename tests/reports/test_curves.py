"""Learning curves."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from v2a_lightning.reports.curves import Series, best_point, line_chart, nice_ticks, number, read_metrics

FALLING = Series("val/fd", ((0, 30.0), (1, 12.0), (2, 12.0), (3, 15.0)))


def test_read_metrics_takes_each_epochs_last_value(run_folder: Path) -> None:
    series = read_metrics(run_folder / "metrics.csv")
    assert series["val/fad"].points == ((0, 8), (1, 7), (2, 6), (3, 5))
    assert "step" not in series


def test_best_point_is_the_first_of_equals() -> None:
    assert best_point(FALLING, "lower") == (1, 12.0)
    assert best_point(FALLING, "higher") == (0, 30.0)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (24.168, "24.2"), (0.8412, "0.841"), (15446.2, "15,446"), (0.000012, "0.00001")]
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("values", [[0.1, 0.4], [12.0, 12.0], [0.0], [-3.0, 900.0]])
def test_ticks_enclose_the_values(values: list[float]) -> None:
    ticks = nice_ticks(values)
    assert ticks[0] <= min(values)
    assert ticks[-1] >= max(values)
    assert ticks[0] < ticks[-1]
    assert 2 <= len(ticks) <= 7


def test_chart_is_well_formed_and_told_in_words() -> None:
    chart = ElementTree.fromstring(line_chart([FALLING, Series("val/<other>", ((0, 1.0),))], "lower"))
    assert chart.get("aria-label", "").startswith("val/fd: 30.0 at epoch 0, 15.0 at epoch 3")
    marks = [one for one in chart if one.get("class") == "best"]
    assert len(marks) == 1
    heights = [float(one.get("cy", 0)) for one in chart if one.get("class") == "hover"]
    assert heights[0] < heights[1], "a larger value stands higher"
