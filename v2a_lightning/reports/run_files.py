"""What a run's folder holds, read for pages and studies."""

import csv
import json
import math
from pathlib import Path
from typing import Any

from v2a_lightning.reports.charts import Series
from v2a_lightning.runs import EVALUATION_FILE


def read_metrics(path: Path) -> dict[str, Series]:
    """Every column of a metrics.csv as a series over epochs; of several values in an epoch the last counts."""
    columns: dict[str, dict[float, float]] = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            epoch = float(row["epoch"]) if row.get("epoch") else 0.0
            for name, text in row.items():
                if name not in ("epoch", "step") and text not in ("", None) and math.isfinite(float(text)):
                    columns.setdefault(name, {})[epoch] = float(text)
    return {name: Series(name, tuple(sorted(points.items()))) for name, points in columns.items()}


def latest_evaluation(run: Path) -> dict[str, Any]:
    """What the newest evaluation of sound wrote down, and its folder; empty when there was none."""
    found = [json.loads(path.read_text()) | {"folder": path.parent} for path in run.glob(f"audio/*/{EVALUATION_FILE}")]
    return max(found, key=lambda one: (one["step"], one["stage"]), default={})


def is_miniature(evaluation: dict[str, Any]) -> bool:
    """Whether any of the models behind an evaluation's scores is the miniature's."""
    return any(card["label"] == "miniature" for card in evaluation.get("cards", {}).values())
