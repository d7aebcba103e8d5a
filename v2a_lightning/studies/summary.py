"""A study's table: a row for each variant, its seeds together, and its difference from the baseline."""

from collections.abc import Sequence

from v2a_lightning.studies.measures import measure
from v2a_lightning.studies.records import Record, by_row
from v2a_lightning.studies.statistics import Difference, Summary, paired_difference, summarise
from v2a_lightning.studies.study import Study
from v2a_lightning.studies.tables import Cell, Table


def study_table(study: Study, records: Sequence[Record]) -> Table:
    """Mean, standard deviation and 95 % interval over seeds of every row and metric. What failed is named below."""
    rows = by_row(records)
    return Table(
        name="table",
        caption=f"{study.title} ({about(records)}). Mean ± standard deviation [95 % interval] over seeds."
        f"{heard(records)}",
        columns=["", *(measure(metric).heading for metric in study.metrics), "Seeds"],
        rows=[
            [name, *(_cell(members, metric) for metric in study.metrics), _seeds(members)]
            for name, members in rows.items()
        ],
        notes=failures(records),
    )


def difference_table(study: Study, records: Sequence[Record]) -> Table | None:
    """Every other row less the baseline, of the same seeds; None without a baseline."""
    rows = by_row(records)
    if not study.baseline or study.baseline not in rows or len(rows) < 2:
        return None
    base = rows[study.baseline]
    return Table(
        name="differences",
        caption=f"Difference from “{study.baseline}” ({label(records)}), paired by seed [95 % interval]; p of the "
        "two-sided t-test, not corrected for the number of comparisons.",
        columns=["", *(measure(metric).heading for metric in study.metrics)],
        rows=[
            [name, *(_difference(base, members, metric) for metric in study.metrics)]
            for name, members in rows.items()
            if name != study.baseline
        ],
    )


def values_by_seed(records: Sequence[Record], metric: str) -> dict[int, float]:
    """A metric's values by seed, of the runs that have it."""
    return {record.seed: record.metrics[metric] for record in records if metric in record.metrics}


def summary_of(records: Sequence[Record], metric: str) -> Summary | None:
    """A metric over seeds; None when no run has it."""
    values = list(values_by_seed(records, metric).values())
    return summarise(values) if values else None


def failures(records: Sequence[Record]) -> list[str]:
    """One line for each reason that runs failed for, with the rows it befell."""
    reasons: dict[tuple[str, str], list[int]] = {}
    for record in records:
        if record.failed and record.row:
            reasons.setdefault((record.row, record.reason), []).append(record.seed)
    rows: dict[tuple[tuple[int, ...], str], list[str]] = {}
    for (row, reason), seeds in reasons.items():
        rows.setdefault((tuple(seeds), reason), []).append(row)
    return [
        f"{'; '.join(names)}: failed with seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}: {reason}"
        for (seeds, reason), names in rows.items()
    ]


def about(records: Sequence[Record]) -> str:
    """Which world the scores are of, and how many seeds."""
    seeds = len({record.seed for record in records})
    return f"{label(records)}, {seeds} seed{'s' * (seeds != 1)}"


def heard(records: Sequence[Record]) -> str:
    """How many sounds of each run the scores of sound are of; "" when none was made."""
    counts = sorted({record.sounds for record in records if record.sounds})
    return f" Scores of sound: of {' or '.join(map(str, counts))} sounds in each run." if counts else ""


def label(records: Sequence[Record]) -> str:
    """Whose world and ears the scores are of: "miniature", or "as configured"."""
    return "miniature" if any(record.label for record in records) else "as configured"


def _cell(records: Sequence[Record], metric: str) -> Cell:
    summary = summary_of(records, metric)
    if summary is None and all(record.failed for record in records):
        return "failed"
    return summary


def _seeds(records: Sequence[Record]) -> str:
    failed = sum(record.failed for record in records)
    return f"{len(records) - failed}" + (f", {failed} failed" if failed else "")


def _difference(base: Sequence[Record], records: Sequence[Record], metric: str) -> Difference | str | None:
    if all(record.failed for record in records):
        return "failed"
    return paired_difference(values_by_seed(base, metric), values_by_seed(records, metric))
