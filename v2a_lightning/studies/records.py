"""What is kept of a run: a file that is there when the run is done or has failed, and not before."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from v2a_lightning.errors import RunFailure
from v2a_lightning.files import atomic_write
from v2a_lightning.reports.curves import read_metrics
from v2a_lightning.reports.run_page import latest_evaluation
from v2a_lightning.runs import CONFIG_FILE, METRICS_FILE
from v2a_lightning.studies.plan import Run

RECORD_FILE = "record.json"


@dataclass(frozen=True)
class Record:
    """One run's outcome.

    Args:
        run: its folder's name.
        row: the row of the table it belongs to.
        seed: of its training.
        command: what one would type.
        metrics: its scores by name; empty when it failed.
        reason: why it failed; "" when it did not.
        seconds: how long it took.
        label: "miniature" when the extractors behind the scores are.
        sounds: how many were made and scored.
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
    with atomic_write(run.folder / RECORD_FILE) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=1) + "\n")


def read_record(run: Run) -> Record | None:
    """The run's record; None while it has not ended."""
    path = run.folder / RECORD_FILE
    if not path.is_file():
        return None
    # Another study may have run it, for a row of its own.
    return replace(Record(**json.loads(path.read_text())), row=run.row, seed=run.seed)


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


def label_of(folder: Path) -> str:
    """ "miniature" when any of the models behind a run's scores is the miniature's."""
    cards: dict[str, Any] = latest_evaluation(folder).get("cards", {})
    config = folder / CONFIG_FILE
    models = yaml.safe_load(config.read_text()) if config.is_file() else {}
    named = any(card["label"] == "miniature" for card in cards.values()) or "miniature" in _checkpoints(models)
    return "miniature" if named else ""


def sounds_of(folder: Path) -> int:
    """How many sounds a run's last scores are of."""
    cards: dict[str, Any] = latest_evaluation(folder).get("cards", {})
    return max((int(card["n_generated"]) for card in cards.values()), default=0)


def _checkpoints(config: Any) -> set[str]:
    """Every value of a key `checkpoint` in a config."""
    if isinstance(config, Mapping):
        own = {str(config["checkpoint"])} if "checkpoint" in config else set()
        return own.union(*(_checkpoints(value) for value in config.values()))
    return set().union(*map(_checkpoints, config)) if isinstance(config, list) else set()


def by_row(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Records by row, each by seed."""
    rows: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.seed):
        if record.row:
            rows.setdefault(record.row, []).append(record)
    return rows
