"""An analysis as tables and as a page."""

from pathlib import Path

from markupsafe import Markup

from v2a_lightning.json_files import write_json
from v2a_lightning.listening.analysis import Analysis
from v2a_lightning.listening.opinion import ANCHOR_NAMES
from v2a_lightning.reports.charts import Scale, interval_chart
from v2a_lightning.reports.pages import render, write_page
from v2a_lightning.reports.tables import Figure, Interval, Table

PAGES = Path(__file__).parent / "page"
ANALYSIS_FILE, REPORT_FILE = "analysis.json", "report.html"
CAPTIONS = {
    "mos": "Mean opinion scores from 1 to 5; 95 % intervals by resampling raters and clips",
    "preferences": "Preferences; exact binomial 95 % intervals, and those by resampling raters and clips",
    "agreement": "Agreement among raters: Krippendorff's alpha; 95 % intervals by resampling clips",
    "correlations": "Rank correlation of metrics with raters, 95 % intervals; positive is agreement",
}


def write_analysis(analysis: Analysis, output: Path) -> None:
    """Write analysis.json, every table as Markdown, CSV and LaTeX, and report.html into a folder."""
    found = tables(analysis)
    write_json(output / ANALYSIS_FILE, analysis.to_dict())
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
        number=lambda value: Figure(value, ".2f"),
    )
    write_page(output / REPORT_FILE, page)


def tables(analysis: Analysis) -> list[Table]:
    """Opinions, preferences, agreement, with score files correlations, and raters; all with the analysis' warnings."""
    kept, warnings = len(analysis.kept), analysis.warnings()
    # The raters stand in every row: a CSV has no caption that could say it.
    raters = f"{kept}{f' ({analysis.simulated} simulated)' if analysis.simulated else ''}"
    found = [
        Table.of(
            name,
            f"{CAPTIONS[name]} ({kept} raters, {len(analysis.key.clips)} clips)",
            [{**one.row(), "Raters": raters} for one in results],
            warnings,
        )
        for name, results in analysis.results.items()
        if results
    ]
    screened = (
        f"Raters, screened by hidden anchors: {kept} of {len(analysis.checks)} are kept; own sounds have to be rated "
        f"{analysis.margin:g} above spoilt ones"
    )
    return [*found, Table.of("raters", screened, [check.row() for check in analysis.checks], warnings)]


def _opinion_chart(analysis: Analysis, scale: str) -> Markup:
    shown = {one.title: one.estimate for one in analysis.opinions if one.scale == scale}
    return interval_chart(shown, Scale((1, 2, 3, 4, 5)), quiet=list(ANCHOR_NAMES.values()))


def _preference_chart(analysis: Analysis) -> Markup:
    shown = {one.title: one.exact for one in analysis.preferences}
    return interval_chart(shown, Scale((0, 0.25, 0.5, 0.75, 1), percent=True, middle=0.5))


def _metric_charts(analysis: Analysis) -> list[tuple[str, Markup]]:
    groups: dict[tuple[str, str, int], dict[str, Interval]] = {}
    for one in sorted(analysis.correlations, key=lambda one: one.level == "sounds"):
        groups.setdefault((one.level, one.question, one.count), {})[one.title] = one.spearman
    scale = Scale((-1, -0.5, 0, 0.5, 1), middle=0)
    return [
        (
            f"{question.capitalize()}, over {count} {level}",
            interval_chart(shown, scale, quiet=list(shown) if level == "sounds" else []),
        )
        for (level, question, count), shown in groups.items()
    ]
