"""The figures on disk: benchmarks.json, and the page that is written from it."""

import ast
import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from experiments.benchmarks.speed.machine import machine
from experiments.benchmarks.speed.measuring import Row
from v2a_lightning.files import atomic_write

Record = dict[str, Any]
ROOM = Path(__file__).parent
INTRODUCTION = """\
# How fast it is

Written by `make benchmark`, with every figure in full in `docs/benchmarks.json`. What is compared runs in turn within
one run, so that both meet the same machine. Ratios are taken round by round: the median is shown, with the lowest and
the highest round in brackets. They are of time on the clock; processor time is in the notes.
"""


@dataclass(frozen=True)
class Document:
    """benchmarks.json and BENCHMARKS.md in a folder."""

    folder: Path

    def records(self) -> list[Record]:
        """All rows, in the order of their topics; none before the first run."""
        path = self.folder / "benchmarks.json"
        return list(json.loads(path.read_text())) if path.is_file() else []

    def write(self, topic: str, rows: list[Row], finished: bool) -> None:
        """Replace a topic's rows; while it still runs, the old ones that it has not measured again stay."""
        new = [_record(topic, row) for row in rows]
        measured = {_key(record) for record in new}
        old = [record for record in self.records() if record["topic"] != topic or not finished]
        kept = [record for record in old if _key(record) not in measured]
        records = sorted(kept + new, key=lambda record: record["topic"])
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.folder / "benchmarks.json") as temporary:
            temporary.write_text(json.dumps(records, indent=2, ensure_ascii=False) + "\n")
        with atomic_write(self.folder / "BENCHMARKS.md") as temporary:
            temporary.write_text(page(records))


def page(records: list[Record]) -> str:
    """BENCHMARKS.md: a section for each topic."""
    judged = [record["met"] for record in records if record["met"] is not None]
    lines = [INTRODUCTION, f"{sum(judged)} of {len(judged)} goals are met." if judged else "Not measured yet."]
    for topic in dict.fromkeys(record["topic"] for record in records):
        lines += _section(topic, [record for record in records if record["topic"] == topic])
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Three digits, and no exponent where there are at most seven figures."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def _section(topic: str, records: list[Record]) -> list[str]:
    notes = [record["note"] for record in records if record["note"]]
    head = ["", f"## {topic.replace('_', ' ').capitalize()}", "", _description(topic), ""]
    table = ["| what | against | measured | goal | met | rounds |", "|---|---|---|---|---|---|"]
    table += [_line(record, notes) for record in records]
    numbered = [f"{index}. {note}" for index, note in enumerate(dict.fromkeys(notes), 1)]
    measured = sorted({f"{record['date']}, {record['machine']}" for record in records})
    return [*head, *table, "", *numbered, *([""] if numbered else []), f"Measured {'; '.join(measured)}."]


def _line(record: Record, notes: list[str]) -> str:
    unit = record["unit"] if record["unit"] in ("x", "%") else f" {record['unit']}"
    low, high = record["spread"]
    note = f" ({list(dict.fromkeys(notes)).index(record['note']) + 1})" if record["note"] else ""
    sign = "≥" if record["better"] == "higher" else "≤"
    goal = "–" if record["goal"] is None else f"{sign} {number(record['goal'])}{unit}"
    met = {True: "yes", False: "**no**", None: "–"}[record["met"]]
    value = f"{number(record['value'])}{unit} [{number(low)}, {number(high)}]"
    return f"| {record['what']}{note} | {record['against'] or '–'} | {value} | {goal} | {met} | {record['repeats']} |"


def _record(topic: str, row: Row) -> Record:
    return {"topic": topic, **asdict(row), "met": row.met, "machine": machine(), "date": date.today().isoformat()}


def _key(record: Record) -> tuple[str, str, str]:
    return record["topic"], record["what"], record["against"]


def _description(topic: str) -> str:
    """A topic's docstring."""
    path = ROOM / f"{topic}.py"
    return (ast.get_docstring(ast.parse(path.read_text())) or "") if path.is_file() else ""
