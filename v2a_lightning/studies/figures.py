"""A study's figure: values with their intervals, side by side or along an axis."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from v2a_lightning.files import atomic_write
from v2a_lightning.reports.domain_gap import COLOURS
from v2a_lightning.studies.measures import measure
from v2a_lightning.studies.records import Record, by_row
from v2a_lightning.studies.statistics import Summary
from v2a_lightning.studies.study import Study, row_name, rows_of
from v2a_lightning.studies.summary import about, summary_of

PANEL_INCHES = 3.3
COLUMNS = 4


def draw_study(study: Study, records: Sequence[Record], path: Path) -> bool:
    """Draw the study's figure into a PNG; false when there is nothing to draw."""
    rows = by_row(records)
    summaries = {metric: found for metric in study.metrics if (found := _summaries(rows, metric))}
    if not summaries:
        return False
    layout = _layout(study, summaries)
    figure, panels = figure_of_rows([(len(beside), height) for beside, height in layout])
    places = [(metric, place) for beside, _ in layout for place, metric in enumerate(beside)]
    for panel, (metric, place) in zip(panels, places, strict=True):
        if study.figure == "curves":
            _curves(panel, study, summaries[metric])
        else:
            draw_intervals(panel, list(summaries[metric]), summaries[metric])
            if place > 0:
                # Of panels beside one another only the first names the rows.
                panel.set_yticklabels([])
        panel.set_title(measure(metric).heading, loc="left", fontsize=10)
    figure.suptitle(f"{study.title} ({about(records)})", x=0.01, ha="left", fontsize=11)
    # The lines are the same in every panel, and named once, where they cover nothing.
    lines = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    if len(lines) > 1:
        options = {"loc": "outside lower left", "ncols": 6, "frameon": False, "fontsize": 8}
        figure.legend(list(lines.values()), list(lines), **options)
    save_figure(figure, path)
    return True


def _summaries(rows: Mapping[str, Sequence[Record]], metric: str) -> dict[str, Summary]:
    return {name: one for name, members in rows.items() if (one := summary_of(members, metric)) is not None}


def _layout(study: Study, summaries: Mapping[str, Mapping[str, Summary]]) -> list[tuple[list[str], float]]:
    """Metrics that stand beside one another, with the height of their panels in inches.

    Intervals share the names at their left, so only metrics of the same rows stand together.
    """
    if study.figure == "curves":
        return [(beside, 2.8) for beside in _cut(list(summaries))]
    alike = groupby(summaries, key=lambda metric: tuple(summaries[metric]))
    return [(beside, 0.9 + 0.26 * len(names)) for names, metrics in alike for beside in _cut(list(metrics))]


def _cut(metrics: list[str]) -> list[list[str]]:
    return [metrics[begin : begin + COLUMNS] for begin in range(0, len(metrics), COLUMNS)]


def new_figure(panels: int, height: float, columns: int = COLUMNS) -> tuple[Any, list[Any]]:
    """A figure of so many panels, at most `columns` beside one another, each `height` inches high."""
    return figure_of_rows([(min(columns, panels - begin), height) for begin in range(0, panels, columns)])


def figure_of_rows(rows: Sequence[tuple[int, float]]) -> tuple[Any, list[Any]]:
    """A figure with a row of panels for each (how many, how high in inches), and its panels in reading order."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(count for count, _ in rows)
    heights = [height for _, height in rows]
    figure = Figure(figsize=(max(5.4, PANEL_INCHES * columns), 0.4 + sum(heights)), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    panels = []
    for (count, _), row in zip(rows, axes, strict=True):
        for place, panel in enumerate(row):
            panel.set_visible(place < count)
            panel.spines[["top", "right"]].set_visible(False)
            panel.tick_params(labelsize=8)
            panel.grid(alpha=0.25, linewidth=0.6)
        panels.extend(row[:count])
    return figure, panels


def save_figure(figure: Any, path: Path) -> None:
    """Write a PNG."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png")


def draw_intervals(panel: Any, names: Sequence[str], summaries: Mapping[str, Summary]) -> None:
    """A line for each name from top to bottom: the mean, its 95 % interval, and every seed as a faint point."""
    for place, name in enumerate(names):
        summary = summaries.get(name)
        if summary is None:
            continue
        y = len(names) - 1 - place
        panel.scatter(summary.values, [y] * summary.count, s=9, color=COLOURS[0], alpha=0.35, linewidths=0)
        if summary.count > 1:
            panel.plot([summary.low, summary.high], [y, y], color=COLOURS[0], linewidth=1.6)
        panel.plot([summary.mean], [y], "o", color=COLOURS[0], markersize=5)
    panel.set_yticks(range(len(names)), list(reversed(names)), fontsize=8)
    panel.set_ylim(-0.6, len(names) - 0.4)


def draw_curve(
    panel: Any, points: Sequence[tuple[float, Summary]], label: str, index: int, style: Literal["-", "--"] = "-"
) -> None:
    """Means over an axis with a band of their 95 % intervals, in the colour of an index."""
    points = sorted(points, key=lambda point: point[0])
    xs = [x for x, _ in points]
    colour = COLOURS[index % len(COLOURS)]
    means = [one.mean for _, one in points]
    panel.plot(xs, means, f"o{style}", color=colour, markersize=3.5, linewidth=1.4, label=label)
    if all(one.count > 1 for _, one in points):
        low, high = [one.low for _, one in points], [one.high for _, one in points]
        panel.fill_between(xs, low, high, color=colour, alpha=0.16, linewidth=0)


def log_axis(panel: Any) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5 of every decade."""
    from matplotlib.ticker import LogLocator, NullFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_formatter(NullFormatter())


def _curves(panel: Any, study: Study, summaries: Mapping[str, Summary]) -> None:
    lines: dict[str, list[tuple[float, Summary]]] = {}
    for variant, evaluation in rows_of(study):
        name = row_name(variant, evaluation, study)
        place = (evaluation or variant).x
        if name in summaries and place is not None:
            series = (evaluation or variant).series or (variant.name if evaluation else "")
            lines.setdefault(series, []).append((float(place), summaries[name]))
    for index, (series, points) in enumerate(lines.items()):
        draw_curve(panel, points, series, index)
    if study.x_log:
        log_axis(panel)
    panel.set_xlabel(study.x_label, fontsize=8)
