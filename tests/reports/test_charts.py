"""Charts inside a page, and as pictures."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from v2a_lightning.reports.charts import (
    Scale,
    Series,
    best_point,
    draw_scatter,
    interval_chart,
    line_chart,
    scatter_charts,
)
from v2a_lightning.reports.run_files import read_metrics
from v2a_lightning.reports.tables import Interval

FALLING = Series("val/fd", ((0, 30.0), (1, 12.0), (2, 12.0), (3, 15.0)))
SVG = "{http://www.w3.org/2000/svg}"


def parsed(chart: Markup) -> ElementTree.Element:
    """A chart as the page's reader takes it, where a name space needs no declaration."""
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return ElementTree.fromstring(str(chart).replace("<svg ", f"<svg {spaces} ", 1))


def texts(chart: ElementTree.Element, kind: str) -> list[str]:
    return [one.text or "" for one in chart.iter(f"{SVG}{kind}")]


def test_read_metrics_takes_each_epochs_last_value(run_folder: Path) -> None:
    series = read_metrics(run_folder / "metrics.csv")
    assert series["val/fad"].points == ((0, 8), (1, 7), (2, 6), (3, 5))
    assert "step" not in series


def test_best_point_is_the_first_of_equals() -> None:
    assert best_point(FALLING, "lower") == (1, 12.0)
    assert best_point(FALLING, "higher") == (0, 30.0)


def test_a_line_chart_is_well_formed_with_a_tip_for_each_value() -> None:
    chart = parsed(line_chart([FALLING, Series("val/<other>", ((0, 1.0),))], "lower"))
    assert chart.get("class") == "chart"
    assert chart.get("aria-label", "").startswith("val/fd: 30.0 at epoch 0, 15.0 at epoch 3")
    assert texts(chart, "title") == [
        "val/fd, epoch 0: 30.0", "val/fd, epoch 1: 12.0", "val/fd, epoch 2: 12.0", "val/fd, epoch 3: 15.0",
        "val/<other>, epoch 0: 1.00",
    ]  # fmt: skip
    tips = [one for one in chart.iter(f"{SVG}g") if one.get("class") == "tip"]
    heights = [float(next(tip.iter(f"{SVG}use")).get("y", 0)) for tip in tips]
    assert heights[0] < heights[1], "a larger value stands higher"
    assert {"epoch 0", "epoch 3"} < set(texts(chart, "text"))


@pytest.mark.parametrize("values", [[0.1, 0.4], [12.0, 12.0], [0.0], [-3.0, 900.0]])
def test_ticks_enclose_the_values(values: list[float]) -> None:
    chart = parsed(line_chart([Series("x", tuple(enumerate(values)))]))
    ticks = [float(text.replace("−", "-")) for text in texts(chart, "text") if not text.startswith("epoch")]
    assert ticks[0] <= min(values)
    assert ticks[-1] >= max(values)
    assert 2 <= len(set(ticks)) <= 7


def test_a_chart_takes_the_pages_colours_and_fonts_and_leaves_the_page_alone() -> None:
    chart = str(line_chart([FALLING], "lower"))
    assert "var(--accent)" in chart
    assert "var(--soft)" in chart
    assert all(word not in chart for word in ("#a3246f", "<style", "font-family", 'id="figure', "<metadata"))


def test_an_interval_chart_says_every_value() -> None:
    nan = float("nan")
    intervals = {"quartz": Interval(3.2, 2.9, 3.6), "basalt": Interval(nan, nan, nan), "own": Interval(4.5, nan, nan)}
    chart = parsed(interval_chart(intervals, Scale((1, 2, 3, 4, 5)), quiet=["own"]))
    assert chart.get("aria-label") == "quartz: 3.20, from 2.90 to 3.60; basalt: not defined; own: 4.50"
    assert {"quartz", "basalt", "own", "3.20", "–", "4.50"} < set(texts(chart, "text"))
    assert "var(--second)" in str(interval_chart(intervals, Scale((1, 5)), quiet=["own"]))
    share = interval_chart({"a over b": Interval(0.8, 0.6, 0.9)}, Scale((0, 0.5, 1), percent=True, middle=0.5))
    assert {"0 %", "50 %", "100 %", "80 %"} <= set(texts(parsed(share), "text"))


def test_scatter_charts_have_one_scale_and_equal_units() -> None:
    first, second = scatter_charts([{"a": [[0, 0], [4, 0]]}, {"a": [[0, 0], [2, 2]]}])
    places = [
        [(float(one.get("x", 0)), float(one.get("y", 0))) for one in parsed(chart).iter(f"{SVG}use")]
        for chart in (first, second)
    ]
    assert places[0][0] == pytest.approx(places[1][0])
    unit = (places[0][1][0] - places[0][0][0]) / 4
    assert places[1][1] == pytest.approx((places[1][0][0] + 2 * unit, places[1][0][1] - 2 * unit), abs=0.01)


def test_scatter_is_a_picture(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    draw_scatter(
        {"CLIP": random.normal(size=(200, 2)), "CLAP": random.normal(4, 1, (200, 2))}, "Epoch 3", tmp_path / "gap.png"
    )
    with Image.open(tmp_path / "gap.png") as image:
        colours = {colour for _, colour in image.convert("RGB").resize((200, 170)).getcolors(100_000)}
        assert image.width > 600
    assert len(colours) > 50
