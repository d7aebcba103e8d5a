"""Charts: matplotlib figures, as PNG files or as SVG inside a page, there in the page's colours and with tips."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
from markupsafe import Markup

from v2a_lightning.files import atomic_write
from v2a_lightning.reports.tables import Interval, number

COLOURS = ("#2f6f9f", "#c98a1b", "#a3246f", "#1d7a4f", "#6a6a6a", "#7b5bb5")
# What a chart inside a page is drawn in: names of style.css's colours by their light values.
INK, SOFT, GRID, CARD = "#1c1a22", "#625d6c", "#ebe7e1", "#fffffe"
ACCENT, SECOND, THIRD = "#a3246f", "#2f6f9f", "#b67a12"
NAMES = ("ink", "soft", "grid", "card", "accent", "second", "third")
PAGE_COLOURS = dict(zip((INK, SOFT, GRID, CARD, ACCENT, SECOND, THIRD), NAMES, strict=True))
PANEL_INCHES, PANEL_COLUMNS = 3.3, 4
PIXELS_PER_INCH = 72
# More points than this of a set hide one another.
MOST_POINTS = 400
LONGEST_LABEL = 20

Better = Literal["lower", "higher"]
Points = Mapping[str, Any]


@dataclass(frozen=True)
class Series:
    """One line of a chart: its name and its (epoch, value) points."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Scale:
    """The axis of an interval chart; `middle` is marked."""

    ticks: Sequence[float]
    percent: bool = False
    middle: float | None = None

    def text(self, value: float, digits: int = 2) -> str:
        """A value as it is written."""
        return f"{100 * value:.0f} %" if self.percent else f"{value:.{digits}f}"


def new_figure(
    width: float, height: float, dpi: int = 130, layout: Literal["constrained", "tight"] | None = "constrained"
) -> Any:
    """An empty figure, in inches, that belongs to no window system."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def new_panels(panels: int, height: float, columns: int = PANEL_COLUMNS) -> tuple[Any, list[Any]]:
    """A figure of so many panels, at most `columns` beside one another, each `height` inches high."""
    return rows_of_panels([(min(columns, panels - begin), height) for begin in range(0, panels, columns)])


def rows_of_panels(rows: Sequence[tuple[int, float]]) -> tuple[Any, list[Any]]:
    """A figure with a row of panels for each (how many, how high in inches), and its panels in reading order."""
    columns = max(count for count, _ in rows)
    heights = [height for _, height in rows]
    figure = new_figure(max(5.4, PANEL_INCHES * columns), 0.4 + sum(heights))
    axes = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for (count, _), row in zip(rows, axes, strict=True):
        for place, panel in enumerate(row):
            panel.set_visible(place < count)
            panel.spines[["top", "right"]].set_visible(False)
            panel.tick_params(labelsize=8)
            panel.grid(alpha=0.25, linewidth=0.6)
    return figure, [panel for (count, _), row in zip(rows, axes, strict=True) for panel in row[:count]]


def save_figure(figure: Any, path: Path) -> None:
    """Write a PNG."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png")


def draw_intervals(panel: Any, intervals: Mapping[str, Interval | None]) -> None:
    """A line for each name from top to bottom: the value, its interval, and what is behind it as faint points."""
    for y, one in enumerate(reversed(list(intervals.values()))):
        if one is None:
            continue
        panel.scatter(one.points, [y] * len(one.points), s=9, color=COLOURS[0], alpha=0.35, linewidths=0)
        if np.isfinite(one.low):
            panel.plot([one.low, one.high], [y, y], color=COLOURS[0], linewidth=1.6)
        panel.plot([one.value], [y], "o", color=COLOURS[0], markersize=5)
    panel.set_yticks(range(len(intervals)), list(intervals)[::-1], fontsize=8)
    panel.set_ylim(-0.6, len(intervals) - 0.4)


def draw_curve(
    panel: Any, points: Mapping[float, Interval], label: str, index: int, style: Literal["-", "--"] = "-"
) -> None:
    """Values over an axis with a band of their intervals, in the colour of an index."""
    xs = sorted(points)
    shown = [points[x] for x in xs]
    colour = COLOURS[index % len(COLOURS)]
    values = [one.value for one in shown]
    panel.plot(xs, values, f"o{style}", color=colour, markersize=3.5, linewidth=1.4, label=label)
    if all(np.isfinite(one.low) for one in shown):
        low, high = [one.low for one in shown], [one.high for one in shown]
        panel.fill_between(xs, low, high, color=colour, alpha=0.16, linewidth=0)


def log_axis(panel: Any) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5 of every decade."""
    from matplotlib.ticker import LogLocator, NullFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_formatter(NullFormatter())


def draw_scatter(points: Points, title: str, path: Path) -> None:
    """Draw named sets of points (N, 2) into a PNG."""
    figure = new_figure(5.4, 4.6, dpi=150)
    panel = figure.subplots()
    for colour, (name, spots) in zip(COLOURS, points.items(), strict=False):
        panel.scatter(*np.asarray(spots).T, s=14, alpha=0.65, linewidths=0, color=colour, label=name)
    panel.set_title(title, loc="left", fontsize=11)
    panel.set_xlabel("first principal axis")
    panel.set_ylabel("second principal axis")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, markerscale=1.6, loc="best")
    save_figure(figure, path)


def line_chart(series: Sequence[Series], better: Better | None = None) -> Markup:
    """SVG of one or more series over epochs; with `better`, the first series' best point is marked."""
    from matplotlib.ticker import MaxNLocator

    figure, panel = _page_figure(320, 168, left=44, right=12, top=12, bottom=26)
    for one, colour, style in zip(series, (ACCENT, SECOND), ("-", (0, (2.3, 1.8))), strict=False):
        xs, ys = zip(*one.points, strict=True)
        panel.plot(xs, ys, color=colour, linestyle=style, linewidth=2.2, marker="o" if len(xs) == 1 else "")
        for x, y in one.points:
            _tip(panel, x, y, f"{one.name}, epoch {x:g}: {number(y)}", colour)
    if better:
        panel.plot(*best_point(series[0], better), "o", color=ACCENT, markersize=9, markeredgecolor=CARD, clip_on=False)
    values = [y for one in series for _, y in one.points]
    spare = 0.0 if min(values) < max(values) else abs(values[0]) / 2 or 0.5
    ticks = MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]).tick_values(min(values) - spare, max(values) + spare)
    panel.set_ylim(ticks[0], ticks[-1])
    panel.set_yticks(ticks, [f"{tick:.6g}" for tick in ticks])
    ends = sorted({edge(x for one in series for x, _ in one.points) for edge in (min, max)})
    panel.set_xticks(ends, [f"epoch {x:g}" for x in ends])
    for label, side in zip(panel.get_xticklabels(), ("left", "right") if len(ends) > 1 else ("center",), strict=True):
        label.set_horizontalalignment(side)
    panel.set_xlim(*(ends if len(ends) > 1 else (ends[0] - 1, ends[0] + 1)))
    panel.grid(axis="y", color=GRID, linewidth=1)
    return inline_svg(figure, "chart", "; ".join(_in_words(one) for one in series))


def scatter_charts(pictures: Sequence[Points]) -> list[Markup]:
    """SVG of each picture's named sets of (x, y) points, on the same axes with equal units, so that they compare."""
    every = [point for points in pictures for spots in points.values() for point in spots]
    charts = []
    for points in pictures:
        figure, panel = _page_figure(420, 320, left=0, right=0, top=0, bottom=0)
        for (name, spots), colour in zip(points.items(), (SECOND, THIRD, ACCENT), strict=False):
            panel.plot(*np.asarray(spots[:MOST_POINTS]).T, "o", color=colour, alpha=0.72, markersize=6.4, gid=name)
        panel.update_datalim(every)
        panel.margins(0.04)
        panel.set_aspect("equal", adjustable="datalim")
        panel.set_axis_off()
        described = ", ".join(f"{len(spots)} points of {name}" for name, spots in points.items())
        charts.append(inline_svg(figure, "chart", described))
    return charts


def interval_chart(intervals: Mapping[str, Interval], scale: Scale, quiet: Sequence[str] = ()) -> Markup:
    """SVG with a row for each interval: a dot, a line over the interval, the value in figures; `quiet` rows in the
    second colour."""
    row, left, width = 38, 168, 560
    height = 38 + row * len(intervals)
    figure, panel = _page_figure(width, height, left=left, right=62, top=8, bottom=30)
    words = {name: _interval_in_words(one, scale) for name, one in intervals.items()}
    for y, (name, one) in enumerate(intervals.items()):
        colour = SECOND if name in quiet else ACCENT
        low, high, value = np.clip([one.low, one.high, one.value], scale.ticks[0], scale.ticks[-1])
        if np.isfinite(low):
            panel.plot([low, high], [y, y], color=colour, alpha=0.32, linewidth=6, solid_capstyle="round")
        if np.isfinite(value):
            panel.plot([value], [y], "o", color=colour, markersize=11, markeredgecolor=CARD, clip_on=False)
            _tip(panel, value, y, f"{name}: {words[name]}", colour)
        figures = scale.text(one.value) if np.isfinite(one.value) else "–"
        panel.annotate(
            figures, (1, y), (62, 0), ("axes fraction", "data"), "offset points",
            color=INK, fontsize=14, fontweight=700, ha="right", va="center", annotation_clip=False,
        )  # fmt: skip
    panel.set_ylim(len(intervals) - 0.5, -0.5)
    panel.set_xlim(scale.ticks[0], scale.ticks[-1])
    panel.set_xticks(scale.ticks, [scale.text(tick) if scale.percent else f"{tick:g}" for tick in scale.ticks])
    panel.set_yticks(range(len(intervals)), map(_fitted, intervals), color=INK, fontsize=13)
    panel.tick_params(axis="y", pad=14)
    panel.grid(axis="x", color=GRID, linewidth=1)
    if scale.middle is not None:
        panel.axvline(scale.middle, color=SOFT, linewidth=1, linestyle=(0, (3, 4)), zorder=0)
    return inline_svg(figure, "intervals", "; ".join(f"{name}: {text}" for name, text in words.items()))


def inline_svg(figure: Any, kind: str, description: str) -> Markup:
    """A figure as an SVG element of a page: in the page's fonts and colours, with a title for whatever has a tip."""
    from matplotlib import rc_context

    written = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "v2a"}):
        figure.savefig(written, format="svg", transparent=True)
    _, _, svg = written.getvalue().partition("<svg ")
    box = re.search(r'viewBox="[^"]*"', svg)[0]  # type: ignore[index]
    # Its style element would hold for the whole page, and so would ids that every figure has.
    svg = re.sub(r"<(metadata|style).*?</\1>", "", svg.partition(">")[2], flags=re.S)
    svg = re.sub(r' font-family: [^;"]*;', "", svg)
    svg = re.sub(r'<g id="tip:(.*?)">', r'<g class="tip"><title>\1</title>', svg)
    svg = re.sub(r' id="[a-z0-9.]+_\d+"', "", svg)
    for colour, name in PAGE_COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return Markup(f'<svg class="{kind}" {box} role="img" aria-label="{escape(description)}">{svg}')


def best_point(series: Series, better: Better) -> tuple[float, float]:
    """The (epoch, value) with the best value; the earlier one of two equal."""
    sign = 1 if better == "lower" else -1
    return min(series.points, key=lambda point: (sign * point[1], point[0]))


def _page_figure(width: int, height: int, **margins: int) -> tuple[Any, Any]:
    """A figure and its panel in CSS pixels."""
    figure = new_figure(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH, PIXELS_PER_INCH, layout=None)
    figure.subplots_adjust(
        margins["left"] / width, margins["bottom"] / height, 1 - margins["right"] / width, 1 - margins["top"] / height
    )
    panel = figure.subplots()
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0, labelsize=10.5, labelcolor=SOFT, pad=6)
    panel.set_axisbelow(True)
    return figure, panel


def _tip(panel: Any, x: float, y: float, text: str, colour: str) -> None:
    """A disc that the page shows when it is pointed at, with its text."""
    panel.plot([x], [y], "o", color=colour, markersize=18, markeredgewidth=0, gid=f"tip:{text}", clip_on=False)


def _in_words(series: Series) -> str:
    (first, start), (last, end) = series.points[0], series.points[-1]
    return f"{series.name}: {number(start)} at epoch {first:g}, {number(end)} at epoch {last:g}"


def _interval_in_words(one: Interval, scale: Scale) -> str:
    if not np.isfinite(one.value):
        return "not defined"
    ends = f", from {scale.text(one.low)} to {scale.text(one.high)}" if np.isfinite(one.low) else ""
    return f"{scale.text(one.value)}{ends}"


def _fitted(label: str) -> str:
    """A label that does not run out of the picture; the whole one is in the row's tip."""
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
