"""A study's table, its table of differences and its figure, from the records of its runs."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from v2a_lightning.reports.charts import (
    PANEL_COLUMNS,
    draw_curve,
    draw_intervals,
    log_axis,
    rows_of_panels,
    save_figure,
)
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.tables import Cell, Interval, Table
from v2a_lightning.studies import records as of
from v2a_lightning.studies.records import Record, by_row, summary_of
from v2a_lightning.studies.study import Study

OVER_SEEDS = "Mean ± standard deviation [95 % interval] over seeds."


def study_table(study: Study, records: Sequence[Record]) -> Table:
    """Mean, standard deviation and 95 % interval over seeds of every row and metric. What failed is named below."""
    return Table(
        name="table",
        caption=f"{study.title} ({of.about(records)}). {OVER_SEEDS}{of.about_sounds(records)}",
        columns=["", *(measure(metric).heading for metric in study.metrics), "Seeds"],
        rows=[
            [name, *(score_cell(members, metric) for metric in study.metrics), _seeds(members)]
            for name, members in by_row(records).items()
        ],
        notes=of.failure_notes(records),
    )


def difference_table(study: Study, records: Sequence[Record]) -> Table | None:
    """Every other row less the baseline, of the same seeds; None without a baseline."""
    rows = by_row(records)
    if not study.baseline or study.baseline not in rows or len(rows) < 2:
        return None
    base = rows.pop(study.baseline)
    return Table(
        name="differences",
        caption=f"Difference from “{study.baseline}” ({of.label_of(records)}), paired by seed [95 % interval]; p of "
        "the two-sided t-test, not corrected for the number of comparisons.",
        columns=["", *(measure(metric).heading for metric in study.metrics)],
        rows=[
            [name, *(_failed(members) or of.difference_of(base, members, metric) for metric in study.metrics)]
            for name, members in rows.items()
        ],
    )


def score_cell(records: Sequence[Record], metric: str) -> Cell:
    """A metric over seeds, or "failed"."""
    return summary_of(records, metric) or _failed(records)


def draw_study(study: Study, records: Sequence[Record], path: Path) -> bool:
    """Draw the study's figure into a PNG; false when there is nothing to draw."""
    rows = by_row(records)
    found = {metric: _intervals(rows, metric) for metric in study.metrics}
    layout = _layout(study, {metric: intervals for metric, intervals in found.items() if intervals})
    if not layout:
        return False
    figure, panels = rows_of_panels([(len(beside), height) for beside, height in layout])
    places = [(metric, place) for beside, _ in layout for place, metric in enumerate(beside)]
    for panel, (metric, place) in zip(panels, places, strict=True):
        if study.figure == "curves":
            _draw_curves(panel, study, found[metric])
        else:
            draw_intervals(panel, found[metric])
            if place > 0:
                # Of panels beside one another only the first names the rows.
                panel.set_yticklabels([])
        panel.set_title(measure(metric).heading, loc="left", fontsize=10)
    figure.suptitle(f"{study.title} ({of.about(records)})", x=0.01, ha="left", fontsize=11)
    # The lines are the same in every panel, and named once, where they cover nothing.
    lines = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    if len(lines) > 1:
        options = {"loc": "outside lower left", "ncols": 6, "frameon": False, "fontsize": 8}
        figure.legend(list(lines.values()), list(lines), **options)
    save_figure(figure, path)
    return True


def _intervals(rows: Mapping[str, Sequence[Record]], metric: str) -> dict[str, Interval]:
    return {name: one for name, members in rows.items() if (one := summary_of(members, metric)) is not None}


def _layout(study: Study, found: Mapping[str, Mapping[str, Interval]]) -> list[tuple[list[str], float]]:
    """Metrics that stand beside one another, with the height of their panels in inches.

    Intervals share the names at their left, so only metrics of the same rows stand together.
    """
    if study.figure == "curves":
        return [(beside, 2.8) for beside in _cut(list(found))]
    alike = groupby(found, key=lambda metric: tuple(found[metric]))
    return [(beside, 0.9 + 0.26 * len(names)) for names, metrics in alike for beside in _cut(list(metrics))]


def _cut(metrics: list[str]) -> list[list[str]]:
    return [metrics[begin : begin + PANEL_COLUMNS] for begin in range(0, len(metrics), PANEL_COLUMNS)]


def _draw_curves(panel: Any, study: Study, intervals: Mapping[str, Interval]) -> None:
    lines: dict[str, dict[float, Interval]] = {}
    for name, variant, evaluation in study.rows():
        place = (evaluation or variant).x
        if name in intervals and place is not None:
            series = (evaluation or variant).series or (variant.name if evaluation else "")
            lines.setdefault(series, {})[float(place)] = intervals[name]
    for index, (series, points) in enumerate(lines.items()):
        draw_curve(panel, points, series, index)
    if study.x_log:
        log_axis(panel)
    panel.set_xlabel(study.x_label, fontsize=8)


def _failed(records: Sequence[Record]) -> str | None:
    return "failed" if records and all(record.failed for record in records) else None


def _seeds(records: Sequence[Record]) -> str:
    failed = sum(record.failed for record in records)
    return f"{len(records) - failed}" + (f", {failed} failed" if failed else "")
