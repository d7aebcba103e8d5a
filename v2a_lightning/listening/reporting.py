"""An analysis as tables and as a page."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from v2a_lightning.files import atomic_write
from v2a_lightning.listening.analysis import Analysis
from v2a_lightning.listening.opinion import Estimate
from v2a_lightning.reports.charts import Interval, Scale, interval_chart
from v2a_lightning.reports.pages import render, write_page
from v2a_lightning.reports.tables import NOTHING, Table

PAGES = Path(__file__).parent / "page"
ANALYSIS_FILE, REPORT_FILE = "analysis.json", "report.html"
ANCHOR_NAMES = {"high anchor": "own sound (high)", "low anchor": "spoilt sound (low)"}


def write_analysis(analysis: Analysis, output: Path) -> None:
    """Write analysis.json, every table as Markdown, CSV and LaTeX, and report.html into a folder."""
    found = tables(analysis)
    with atomic_write(output / ANALYSIS_FILE) as temporary:
        temporary.write_text(json.dumps(analysis.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for table in found:
        table.write(output)
    page = render(
        "analysis.html",
        PAGES,
        analysis=analysis,
        tables={table.name: table for table in found},
        scale_charts=[(scale, _opinion_chart(analysis, scale)) for scale in analysis.key.asks],
        preference_chart=_preference_chart(analysis) if analysis.preferences else "",
        metric_charts=_metric_charts(analysis),
        number=_number,
    )
    write_page(output / REPORT_FILE, page)


def tables(analysis: Analysis) -> list[Table]:
    """Opinions, preferences, agreement, with score files correlations, and raters; all with the analysis' warnings."""
    raters = f"{len(analysis.kept)}{f' ({analysis.simulated} simulated)' if analysis.simulated else ''}"
    about = f"({len(analysis.kept)} raters, {len(analysis.key.clips)} clips)"
    found = []
    for name, (caption, columns, rows) in {
        "mos": _opinions(analysis),
        "preferences": _preferences(analysis),
        "agreement": _agreement(analysis),
        "correlations": _correlations(analysis),
    }.items():
        if rows:
            # The raters stand in every row: a CSV has no caption that could say it.
            full = [[*row, raters] for row in rows]
            found.append(Table(name, f"{caption} {about}", [*columns, "Raters"], full, analysis.warnings()))
    return [*found, _rater_table(analysis)]


Content = tuple[str, list[str], list[list[str]]]


def _opinions(analysis: Analysis) -> Content:
    rows = [[_shown(one.name), one.scale, *_figures(one.estimate, 2), str(one.answers)] for one in analysis.opinions]
    caption = "Mean opinion scores from 1 to 5; 95 % intervals by resampling raters and clips"
    return caption, ["System", "Scale", *_ends("MOS"), "Answers"], rows


def _preferences(analysis: Analysis) -> Content:
    rows = [
        [
            f"{one.first} over {one.second}",
            f"{one.wins} of {one.answers}",
            *_figures(one.exact, 3),
            *_figures(one.resampled, 3)[1:],
            _number(one.p_value, 4),
        ]
        for one in analysis.preferences
    ]
    columns = ["Preferred", "Answers", *_ends("Share"), "Resampled low", "Resampled high", "p"]
    return "Preferences; exact binomial 95 % intervals, and those by resampling raters and clips", columns, rows


def _agreement(analysis: Analysis) -> Content:
    rows = [[one.question, one.level, *_figures(one.alpha, 3), str(one.units)] for one in analysis.agreements]
    caption = "Agreement among raters: Krippendorff's alpha; 95 % intervals by resampling clips"
    return caption, ["Question", "Level", *_ends("Alpha"), "Units"], rows


def _correlations(analysis: Analysis) -> Content:
    rows = [
        [
            one.title,
            one.question,
            f"{one.count} {one.level}",
            *_figures(one.spearman, 2),
            *_figures(one.kendall, 2),
            _number(one.p_value, 3),
        ]
        for one in analysis.correlations
    ]
    columns = ["Metric", "Question", "Over", *_ends("Spearman"), *_ends("Kendall"), "p"]
    return "Rank correlation of metrics with raters, 95 % intervals; positive is agreement", columns, rows


def _rater_table(analysis: Analysis) -> Table:
    scales = analysis.key.asks
    rows = [
        [
            f"{check.rater}{' (simulated)' if check.simulated else ''}",
            f"{check.answered} of {check.trials}",
            *(f"{_number(high, 2)} / {_number(low, 2)}" for high, low in (check.anchors[scale] for scale in scales)),
            f"{check.pairs[0]} of {check.pairs[1]}",
            "counts" if check.kept else f"left out: {'; '.join(check.reasons)}",
        ]
        for check in analysis.checks
    ]
    anchors = [f"{scale.capitalize()}, own / spoilt" for scale in scales]
    caption = (
        f"Raters, screened by hidden anchors: {len(analysis.kept)} of {len(analysis.checks)} are kept; own sounds have "
        f"to be rated {analysis.margin:g} above spoilt ones"
    )
    columns = ["Rater", "Answered", *anchors, "Pairs right", "Answers"]
    return Table("raters", caption, columns, rows, analysis.warnings())


def _figures(found: Estimate, digits: int) -> list[str]:
    return [_number(value, digits) for value in (found.value, found.low, found.high)]


def _ends(name: str) -> list[str]:
    """Headings of a number and of its interval."""
    return [name, f"{name} low", f"{name} high"]


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else NOTHING


def _shown(name: str) -> str:
    return ANCHOR_NAMES.get(name, name)


def _opinion_chart(analysis: Analysis, scale: str) -> Markup:
    shown = {_shown(one.name): one.estimate for one in analysis.opinions if one.scale == scale}
    return _chart(shown, Scale((1, 2, 3, 4, 5)), quiet=list(ANCHOR_NAMES.values()))


def _preference_chart(analysis: Analysis) -> Markup:
    shown = {f"{one.first} over {one.second}": one.exact for one in analysis.preferences}
    return _chart(shown, Scale((0, 0.25, 0.5, 0.75, 1), percent=True, middle=0.5))


def _metric_charts(analysis: Analysis) -> list[tuple[str, Markup]]:
    charts = []
    for level in ("systems", "sounds"):
        for question in dict.fromkeys(one.question for one in analysis.correlations):
            found = [one for one in analysis.correlations if (one.level, one.question) == (level, question)]
            shown = {one.title: one.spearman for one in found}
            if shown:
                scale = Scale((-1, -0.5, 0, 0.5, 1), middle=0)
                title = f"{question.capitalize()}, over {found[0].count} {level}"
                charts.append((title, _chart(shown, scale, quiet=list(shown) if level == "sounds" else [])))
    return charts


def _chart(shown: dict[str, Estimate], scale: Scale, quiet: Sequence[str] = ()) -> Markup:
    intervals = {name: Interval(one.value, one.low, one.high) for name, one in shown.items()}
    return interval_chart(intervals, scale, quiet)
