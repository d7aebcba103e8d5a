"""A study's tables, with what failed and what is missing."""

import csv
import io
from dataclasses import replace

from v2a_lightning.studies.records import Record
from v2a_lightning.studies.study import Setting, Study
from v2a_lightning.studies.tables import difference_table, study_table

STUDY = Study(
    target="test",
    title="What maps",
    question="?",
    base=(),
    variants=(Setting("average"), Setting("random"), Setting("broken")),
    evaluations=(),
    metrics=("fd", "cosine"),
    baseline="average",
)


def record(row: str, seed: int, fd: float | None) -> Record:
    metrics = {} if fd is None else {"fd": fd, "cosine": 0.5}
    return Record(f"{row}-{seed}", row, seed, "command", metrics, "" if metrics else "disk full", 1.0, "miniature")


RECORDS = [
    record("average", 0, 10.0), record("average", 1, 12.0), record("average", 2, 11.0),
    record("random", 0, 13.0), record("random", 1, 14.5), record("random", 2, None),
    record("broken", 0, None), record("broken", 1, None), record("broken", 2, None),
]  # fmt: skip


def test_markdown_shows_mean_deviation_interval_and_failures() -> None:
    text = study_table(STUDY, RECORDS).markdown()
    lines = text.splitlines()
    assert lines[0].startswith("What maps (miniature, 3 seeds)")
    assert lines[2] == "|  | FD ↓ | Cosine ↑ | Seeds |"
    assert lines[4] == "| average | 11.0 ± 1.0 [8.5, 13.5] | 0.500 ± 0.000 [0.500, 0.500] | 3 |"
    assert lines[5].endswith("| 2, 1 failed |")
    assert lines[6] == "| broken | failed | failed | 0, 3 failed |"
    assert "- random: failed with seed 2: disk full" in lines
    assert "- broken: failed with seeds 0, 1, 2: disk full" in lines


def test_what_failed_alike_is_told_in_one_line() -> None:
    records = [record(row, 0, None) for row in ("average", "random")]
    assert study_table(STUDY, records).notes == ["average; random: failed with seed 0: disk full"]


def test_the_caption_says_how_many_sounds_were_scored() -> None:
    one = replace(record("average", 0, 10.0), sounds=48)
    assert "Scores of sound: of 48 sounds in each run." in study_table(STUDY, [one]).caption
    assert "sounds" not in study_table(STUDY, RECORDS).caption


def test_differences_pair_the_seeds_and_name_the_failed() -> None:
    table = difference_table(STUDY, RECORDS)
    assert table is not None
    random, broken = table.rows
    assert random[0] == "random"
    assert random[1].points == (3.0, 2.5)
    assert broken[1] == "failed"
    assert "+2.75 [−0.4, 5.9]" in table.markdown()


def test_no_baseline_no_differences() -> None:
    assert difference_table(STUDY, [one for one in RECORDS if one.row == "random"]) is None


def test_csv_has_a_column_for_each_number() -> None:
    rows = list(csv.DictReader(io.StringIO(study_table(STUDY, RECORDS).csv())))
    assert list(rows[0])[:6] == ["", "FD", "FD sd", "FD low", "FD high", "FD n"]
    assert float(rows[0]["FD"]) == 11.0
    assert rows[0]["FD n"] == "3"
    assert rows[2]["FD"] == "failed"
    assert all(len(row) == len(rows[0]) and None not in row for row in rows)
