"""An analysis as tables and as a page."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from markupsafe import Markup

from v2a_lightning.files import atomic_write
from v2a_lightning.listening.analysis import Analysis
from v2a_lightning.listening.charts import Axis, Bar, interval_chart
from v2a_lightning.listening.opinion import Estimate
from v2a_lightning.listening.pages import render
from v2a_lightning.studies.tables import Table

ANALYSIS_FILE, REPORT_FILE = "analysis.json", "report.html"
NOTHING = "–"
ANCHOR_NAMES = {"high anchor": "own sound (high)", "low anchor": "spoilt sound (low)"}


def write_analysis(analysis: Analysis, output: Path) -> list[Path]:
    """Write analysis.json, every table as Markdown, CSV and LaTeX, and report.html into a folder."""
    found = tables(analysis)
    texts = {ANALYSIS_FILE: json.dumps(analysis.to_dict(), indent=1, allow_nan=False) + "\n"}
    for table in found:
        texts |= {
            f"{table.name}.md": table.markdown(),
            f"{table.name}.csv": table.csv(),
            f"{table.name}.tex": table.latex(),
        }
    texts[REPORT_FILE] = _page(analysis, found)
    for name, text in texts.items():
        with atomic_write(output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [output / name for name in texts]


def tables(analysis: Analysis) -> list[Table]:
    """Opinions, preferences, agreement, raters, and with score files correlations; all with the analysis' warnings."""
    numbers = [_opinion_table(analysis), _preference_table(analysis), _agreement_table(analysis)]
    numbers += [_correlation_table(analysis)] if analysis.correlations else []
    raters = f"{len(analysis.kept)}{f' ({analysis.simulated} simulated)' if analysis.simulated else ''}"
    found = [_with_column(table, "Raters", raters) for table in numbers if table.rows]
    return [*found, _rater_table(analysis)]


def _with_column(table: Table, heading: str, text: str) -> Table:
    """The same text in every row: a CSV has no caption that could say it."""
    return replace(table, columns=[*table.columns, heading], rows=[[*row, text] for row in table.rows])


def _opinion_table(analysis: Analysis) -> Table:
    rows = [[_shown(one.name), one.scale, *_figures(one.estimate, 2), str(one.answers)] for one in analysis.opinions]
    caption = _caption(analysis, "Mean opinion scores from 1 to 5; 95 % intervals by resampling raters and clips")
    return Table("mos", caption, ["System", "Scale", *_ends("MOS"), "Answers"], rows, analysis.warnings())


def _preference_table(analysis: Analysis) -> Table:
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
    caption = _caption(analysis, "Preferences; exact binomial 95 % intervals, and those by resampling raters and clips")
    return Table("preferences", caption, columns, rows, analysis.warnings())


def _agreement_table(analysis: Analysis) -> Table:
    rows = [[one.question, one.level, *_figures(one.alpha, 3), str(one.units)] for one in analysis.agreements]
    caption = _caption(analysis, "Agreement among raters: Krippendorff's alpha; 95 % intervals by resampling clips")
    return Table("agreement", caption, ["Question", "Level", *_ends("Alpha"), "Units"], rows, analysis.warnings())


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
    columns = [
        "Rater",
        "Answered",
        *(f"{scale.capitalize()}, own / spoilt" for scale in scales),
        "Pairs right",
        "Answers",
    ]
    caption = (
        f"Raters, screened by hidden anchors: {len(analysis.kept)} of {len(analysis.checks)} are kept; own sounds have "
        f"to be rated {analysis.margin:g} above spoilt ones"
    )
    return Table("raters", caption, columns, rows, analysis.warnings())


def _correlation_table(analysis: Analysis) -> Table:
    from v2a_lightning.evaluation.catalogue import CATALOGUE

    rows = [
        [
            CATALOGUE[one.metric].title,
            one.question,
            f"{one.count} {one.level}",
            *_figures(one.spearman, 2),
            *_figures(one.kendall, 2),
            _number(one.p_value, 3),
        ]
        for one in analysis.correlations
    ]
    columns = ["Metric", "Question", "Over", *_ends("Spearman"), *_ends("Kendall"), "p"]
    caption = _caption(analysis, "Rank correlation of metrics with raters, 95 % intervals; positive is agreement")
    return Table("correlations", caption, columns, rows, analysis.warnings())


def _caption(analysis: Analysis, text: str) -> str:
    return f"{text} ({len(analysis.kept)} raters, {len(analysis.key.clips)} clips)"


def _figures(found: Estimate, digits: int) -> list[str]:
    return [_number(value, digits) for value in (found.value, found.low, found.high)]


def _ends(name: str) -> list[str]:
    """Headings of a number and of its interval."""
    return [name, f"{name} low", f"{name} high"]


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else NOTHING


def _shown(name: str) -> str:
    return ANCHOR_NAMES.get(name, name)


def _page(analysis: Analysis, found: Sequence[Table]) -> str:
    return render(
        "analysis.html",
        analysis=analysis,
        tables={table.name: table for table in found},
        scale_charts=[(scale, Markup(_opinion_chart(analysis, scale))) for scale in analysis.key.asks],
        preference_chart=Markup(_preference_chart(analysis)) if analysis.preferences else "",
        metric_charts=_metric_charts(analysis),
        number=_number,
    )


def _opinion_chart(analysis: Analysis, scale: str) -> str:
    shown = [one for one in analysis.opinions if one.scale == scale]
    bars = [Bar(_shown(one.name), one.estimate, one.name in ANCHOR_NAMES) for one in shown]
    return interval_chart(bars, Axis(1, 5, (1, 2, 3, 4, 5)))


def _preference_chart(analysis: Analysis) -> str:
    bars = [Bar(f"{one.first} over {one.second}", one.exact) for one in analysis.preferences]
    return interval_chart(bars, Axis(0, 1, (0, 0.25, 0.5, 0.75, 1), percent=True, middle=0.5))


def _metric_charts(analysis: Analysis) -> list[tuple[str, Markup]]:
    from v2a_lightning.evaluation.catalogue import CATALOGUE

    charts = []
    for level in ("systems", "sounds"):
        for question in dict.fromkeys(one.question for one in analysis.correlations):
            shown = [one for one in analysis.correlations if (one.level, one.question) == (level, question)]
            bars = [Bar(CATALOGUE[one.metric].title, one.spearman, level == "sounds") for one in shown]
            if bars:
                axis = Axis(-1, 1, (-1, -0.5, 0, 0.5, 1), middle=0)
                title = f"{question.capitalize()}, over {shown[0].count} {level}"
                charts.append((title, Markup(interval_chart(bars, axis))))
    return charts
