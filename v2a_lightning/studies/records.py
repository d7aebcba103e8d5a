"""What is kept of a run: a file that is there when the run is done or has failed, and not before."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from v2a_lightning.errors import RunFailure
from v2a_lightning.json_files import write_json
from v2a_lightning.reports.run_files import is_miniature, latest_evaluation, read_metrics
from v2a_lightning.runs import CONFIG_FILE, METRICS_FILE
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.statistics import Difference, Summary, paired_difference, summarise

RECORD_FILE = "record.json"


@dataclass(frozen=True)
class Record:
    """One run's outcome.

    Args:
        run: its folder's name.
        metrics: its scores by name; empty when it failed.
        reason: why it failed; "" when it did not.
        label: "miniature" when the extractors behind the scores are.
        sounds: how many were generated and scored.
    """

    run: str
    row: str
    seed: int
    command: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    label: str = ""
    sounds: int = 0

    @property
    def failed(self) -> bool:
        """Whether there are no scores."""
        return bool(self.reason)


def write_record(run: Run, record: Record) -> None:
    """Write the record into the run's folder."""
    write_json(run.folder / RECORD_FILE, asdict(record))


def read_record(run: Run) -> Record | None:
    """The run's record; None while it has not ended."""
    path = run.folder / RECORD_FILE
    if not path.is_file():
        return None
    # Another study may have run it, for a row of its own.
    return replace(Record(**json.loads(path.read_text())), row=run.row, seed=run.seed)


def record_of(run: Run, seconds: float) -> Record:
    """The record of a run that has ended well; a failed one when it has logged no scores."""
    record = Record(run.name, run.row, run.seed, run.command, seconds=seconds)
    try:
        metrics = scores_of(run.folder, run.stage)
    except RunFailure as error:
        return replace(record, reason=str(error))
    evaluation = latest_evaluation(run.folder)
    sounds = max((int(card["n_generated"]) for card in evaluation.get("cards", {}).values()), default=0)
    config = run.folder / CONFIG_FILE
    shipped = config.is_file() and re.search(r"\bcheckpoint: miniature$", config.read_text(), re.M)
    label = "miniature" if is_miniature(evaluation) or shipped else ""
    return replace(record, metrics=metrics, label=label, sounds=sounds)


def scores_of(folder: Path, stage: str) -> dict[str, float]:
    """The last value of every score that a run logged in a stage ("val" or "test"), without the stage's name.

    Raises:
        RunFailure: when it logged none.
    """
    path = folder / METRICS_FILE
    series = read_metrics(path) if path.is_file() else {}
    prefix = f"{stage}/"
    found = {name.removeprefix(prefix): one.points[-1][1] for name, one in series.items() if name.startswith(prefix)}
    if not found:
        raise RunFailure(f"{path} holds no {stage} scores")
    return found


def by_row(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Records by row, each by seed."""
    rows: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.seed):
        if record.row:
            rows.setdefault(record.row, []).append(record)
    return rows


def summary_of(records: Sequence[Record], metric: str) -> Summary | None:
    """A metric over seeds; None when no run has it."""
    values = list(_by_seed(records, metric).values())
    return summarise(values) if values else None


def difference_of(first: Sequence[Record], second: Sequence[Record], metric: str) -> Difference | None:
    """`second` less `first` in a metric, over the seeds that both have; None when they share none."""
    return paired_difference(_by_seed(first, metric), _by_seed(second, metric))


def failure_notes(records: Sequence[Record]) -> list[str]:
    """One line for each reason of failures, with its rows."""
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


def label_of(records: Sequence[Record]) -> str:
    """Whose world and extractors the scores are of: "miniature", or "as configured"."""
    return "miniature" if any(record.label for record in records) else "as configured"


def about(records: Sequence[Record]) -> str:
    """Which world the scores are of, and how many seeds."""
    seeds = len({record.seed for record in records})
    return f"{label_of(records)}, {seeds} seed{'s' * (seeds != 1)}"


def about_sounds(records: Sequence[Record]) -> str:
    """How many sounds of each run the scores of sound are of; "" when none was generated."""
    counts = sorted({record.sounds for record in records if record.sounds})
    return f" Scores of sound: of {' or '.join(map(str, counts))} sounds in each run." if counts else ""


def _by_seed(records: Sequence[Record], metric: str) -> dict[int, float]:
    return {record.seed: record.metrics[metric] for record in records if metric in record.metrics}
