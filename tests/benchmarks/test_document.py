"""benchmarks.json and the page that is written from it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.benchmarks.speed import __main__ as command
from experiments.benchmarks.speed.document import Document, number, page
from experiments.benchmarks.speed.measuring import PROJECT, Row

FAST = Row("training step", "a peer", 27.46, "x", 27.0, "higher", 5, (26.0, 28.0), "alone")
SLOW = Row("memory", "", 0.61, "GB", 0.6, "lower", 1, (0.61, 0.61))


def test_rows_are_written_with_whether_they_met_their_goals_and_where(tmp_path: Path) -> None:
    Document(tmp_path).write("training", [FAST, SLOW], finished=True)
    fast, slow = json.loads((tmp_path / "benchmarks.json").read_text())
    assert (fast["topic"], fast["value"], fast["goal"], fast["met"]) == ("training", 27.46, 27.0, True)
    assert (slow["met"], slow["spread"], slow["repeats"]) == (False, [0.61, 0.61], 1)
    assert "cores" in fast["machine"]
    lines = (tmp_path / "BENCHMARKS.md").read_text().splitlines()
    assert "1 of 2 goals are met." in lines
    assert "| training step (1) | a peer | 27.5x [26, 28] | ≥ 27x | yes | 5 |" in lines
    assert "| memory | – | 0.61 GB [0.61, 0.61] | ≤ 0.6 GB | **no** | 1 |" in lines
    assert "1. alone" in lines


def test_a_topic_that_runs_replaces_its_rows_one_by_one_and_leaves_other_topics(tmp_path: Path) -> None:
    document = Document(tmp_path)
    document.write("training", [FAST, SLOW], finished=True)
    document.write("fit", [SLOW], finished=True)
    faster = replace(FAST, value=30.0)

    def figures() -> list[tuple[str, str, float]]:
        return [(record["topic"], record["what"], record["value"]) for record in document.records()]

    document.write("training", [faster], finished=False)
    assert figures()[0] == ("fit", "memory", 0.61)
    assert set(figures()[1:]) == {("training", "memory", 0.61), ("training", "training step", 30.0)}
    document.write("training", [faster], finished=True)
    assert figures() == [("fit", "memory", 0.61), ("training", "training step", 30.0)]


def test_a_page_explains_its_topics(tmp_path: Path) -> None:
    document = Document(tmp_path)
    document.write("shared_machine", [SLOW], finished=True)
    text = page(document.records())
    assert "## Shared machine\n\nThe quickstart's training step on a machine" in text


@pytest.mark.parametrize(
    ("value", "text"), [(27.46, "27.5"), (0.0123, "0.0123"), (1234.5, "1,234"), (15446, "15,446"), (2e9, "2e+09")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_topics_are_the_files_that_measure() -> None:
    assert {"training", "sampling", "shared_machine"} <= set(command.topics())
    assert not {"measuring", "document", "peers", "__main__", "steps"} & set(command.topics())


def test_a_topic_is_run_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(command, "measure", lambda *arguments: seen.append(arguments))
    assert command.main(["--only", "training", "--quick", "--output", str(tmp_path)]) == 0
    assert command.main(["--only", "training"]) == 0
    assert seen == [("training", True, tmp_path), ("training", False, PROJECT / "docs")]


def test_one_topic_that_fails_leaves_the_others_and_a_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = {"training": 1, "sampling": 0}
    monkeypatch.setattr(command, "measure_apart", lambda topic, *_: codes[topic])
    assert command.main(["--only", "training", "sampling", "--output", str(tmp_path)]) == 1
    codes["training"] = 0
    assert command.main(["--only", "training", "sampling", "--output", str(tmp_path)]) == 0


def test_make_benchmark_runs_it() -> None:
    assert "$(RUN) -m experiments.benchmarks.speed $(ARGS)" in (PROJECT / "Makefile").read_text()
