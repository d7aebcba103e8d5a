"""Runs are done once, whole or not at all, the same in a shared process as at the command line."""

import itertools
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from v2a_lightning.errors import RunFailure
from v2a_lightning.processes import cores
from v2a_lightning.reports.tables import Table
from v2a_lightning.studies import runner
from v2a_lightning.studies.plan import Options, Run, plan
from v2a_lightning.studies.records import RECORD_FILE, Record, read_record, scores_of
from v2a_lightning.studies.run import run_study
from v2a_lightning.studies.runner import run_all
from v2a_lightning.studies.study import Study, read_study
from v2a_lightning.studies.workers import FreshProcess, Outcome, ReusedProcess, environment, reason_of


@pytest.fixture
def study(in_project: Path, tmp_path: Path) -> Study:
    """Two trainings, one of which cannot be built, and an evaluation of each; embeddings only."""
    content = {
        "title": "Two aggregators", "question": "?", "base": ["base.yaml"], "metrics": ["cosine", "embedding_fd"],
        "set": {"evaluation": None}, "baseline": "average",
        "variants": {
            "average": {},
            "broken": {"set": {"model.init_args.aggregator": "v2a_lightning.mapper.NoSuchAggregator"}},
        },
        "evaluations": {"middle at inference": {
            "set": {"model.init_args.inference_aggregator": "v2a_lightning.mapper.MiddleFrame"},
        }},
    }  # fmt: skip
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(content))
    return read_study("two", tmp_path)


def run_missing(runs: list[Run]) -> tuple[dict[str, Record], list[str]]:
    """Records by row, and the names of the runs that were run."""
    told: list[str] = []
    records = run_all(runs, 1, lambda run, record: told.append(run.name))
    return {record.row: record for record in records}, told


def test_runs_once_names_failures_and_equals_the_command_line(study: Study, tiny: Options, tmp_path: Path) -> None:
    runs = plan(study, tiny)
    records, told = run_missing(runs)

    # Trainings come before what is measured of them.
    assert sorted(told) == sorted(run.name for run in runs)
    assert told[:2] == [run.name for run in runs if run.name.startswith("fit")]
    assert set(records) == {
        "average", "average, middle at inference", "broken", "broken, middle at inference"
    }  # fmt: skip
    assert -1 <= records["average"].metrics["cosine"] <= 1
    assert records["average, middle at inference"].metrics["cosine"] != records["average"].metrics["cosine"]
    assert "NoSuchAggregator" in records["broken"].reason
    assert records["broken, middle at inference"].reason.startswith("its training failed: ")

    # Only what failed is tried again.
    _, again = run_missing(runs)
    assert again == [run.name for run in runs if run.variant == "broken"]

    # The very same command, typed, gives the same numbers with as many threads as the worker has.
    typed = [one for one in runs[0].arguments if not one.startswith("--run.")]
    folder = [f"--run.root={tmp_path}", "--run.experiment=typed", "--run.name=run"]
    assert FreshProcess(environment(1)).run([*typed, *folder], tmp_path / "typed.log").code == 0
    assert scores_of(tmp_path / "typed" / "run", "val") == records["average"].metrics


def test_an_interrupted_run_leaves_no_row_and_is_finished_later(study: Study, tiny: Options) -> None:
    only = replace(study, variants=study.variants[:1], evaluations=())
    (run,) = plan(only, tiny)
    records, _ = run_missing([run])

    # As a run that was killed after its checkpoint, before its scores were written down.
    (run.folder / RECORD_FILE).unlink()
    (run.folder / "metrics.csv").unlink()
    assert read_record(run) is None
    again, told = run_missing([run])
    assert told == [run.name]
    assert again["average"].metrics == records["average"].metrics


def test_tables_and_figure_are_written(study: Study, tiny: Options) -> None:
    result = run_study(study, tiny, workers=1, log=lambda line: None)
    folder = tiny.folder(study.target)
    assert (result.failed, result.runs) == (2, 4)
    tables = {finding.name: finding for finding in result.findings if isinstance(finding, Table)}
    assert [row[0] for row in tables["table"].rows] == [
        "average", "average, middle at inference", "broken", "broken, middle at inference"
    ]  # fmt: skip
    assert tables["table"].rows[2][1] == "failed"
    assert any("NoSuchAggregator" in note for note in tables["table"].notes)
    for name in ("table.md", "table.csv", "table.tex", "differences.md", "commands.txt", "figure.png"):
        assert (folder / name).stat().st_size > 0, name
    assert len((folder / "commands.txt").read_text().splitlines()) == 4


class Timed:
    """Stands for a worker: what it runs leaves a score, and is noted with its times.

    With a `meeting`, a run ends when as many others as the meeting wants are under way.
    """

    def __init__(
        self, spans: list[tuple[str, float, float]], fails: str = "", meeting: threading.Barrier | None = None
    ) -> None:
        self.spans = spans
        self.fails = fails
        self.meeting = meeting

    def run(self, arguments: Sequence[str], log: Path) -> Outcome:
        given = dict(one.removeprefix("--").split("=", 1) for one in arguments if one.startswith("--run."))
        if not given:
            return Outcome(0, 0.0)
        began = time.monotonic()
        if self.meeting is not None:
            self.meeting.wait(timeout=60)
        folder = Path(given["run.root"], given["run.experiment"], given["run.name"])
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints" / "last.ckpt").touch()
        (folder / "metrics.csv").write_text("epoch,step,val/cosine\n0,0,0.5\n")
        self.spans.append((arguments[0], began, time.monotonic()))
        return Outcome(1, 0.1, "out of memory") if arguments[0] == self.fails else Outcome(0, 0.1)

    def close(self) -> None:
        """Nothing is open."""


def test_two_workers_run_side_by_side_and_trainings_first(
    study: Study, tiny: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans: list[tuple[str, float, float]] = []
    meeting = threading.Barrier(2)
    timed = [Timed(spans, meeting=meeting) for _ in range(2)]
    monkeypatch.setattr(runner, "start_processes", lambda workers: timed)
    runs = plan(study, replace(tiny, seeds=2))
    records = run_all(runs, 2, lambda run, record: None)
    assert [record.failed for record in records] == [False] * 8
    assert sorted(command for command, _, _ in spans) == ["fit"] * 4 + ["validate"] * 4
    by_start = sorted(spans, key=lambda span: span[1])
    overlaps = [later[1] < earlier[2] for earlier, later in itertools.pairwise(by_start)]
    assert sum(overlaps) >= 4
    assert max(end for command, _, end in spans if command == "fit") <= by_start[4][1]


def test_nothing_is_asked_of_a_training_that_failed_after_a_checkpoint(
    study: Study, tiny: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans: list[tuple[str, float, float]] = []
    monkeypatch.setattr(runner, "start_processes", lambda workers: [Timed(spans, fails="fit")])
    only = replace(study, variants=study.variants[:1])
    records = run_all(plan(only, tiny), 1, lambda run, record: None)
    assert [record.reason for record in records] == ["out of memory", "its training failed: out of memory"]
    assert [command for command, _, _ in spans] == ["fit"]


def test_workers_share_the_cores() -> None:
    several = runner.start_processes(2)
    assert len(several) == 2
    assert {one.environment["OMP_NUM_THREADS"] for one in several} == {str(max(1, cores() // 2))}
    assert len(runner.start_processes(0)) == 1


def test_a_killed_process_fails_its_run_and_the_next_gets_a_new_one(tmp_path: Path) -> None:
    launcher = ReusedProcess(environment(1))

    def kill_soon() -> None:
        while launcher._process is None:
            time.sleep(0.01)
        launcher._process.kill()

    threading.Thread(target=kill_soon).start()
    outcome = launcher.run(["fit", "--help"], tmp_path / "killed.log")
    assert outcome.code == -9
    assert outcome.reason == "ended by signal 9"
    assert launcher.run(["--version"], tmp_path / "next.log").code == 0
    wrong = launcher.run(["evaluat"], tmp_path / "wrong.log")
    assert (wrong.code, wrong.reason[:28]) == (2, "there is no command 'evaluat")
    launcher.close()


@pytest.mark.parametrize("launcher", [FreshProcess, ReusedProcess])
def test_a_disk_that_takes_no_log_is_one_line_with_the_log(tmp_path: Path, launcher: type[FreshProcess]) -> None:
    # Where not even root may make a folder.
    with pytest.raises(RunFailure, match=r"^/sys/kernel/runs/one\.log cannot be written: "):
        launcher(environment(1)).run(["--version"], Path("/sys/kernel/runs/one.log"))


def test_the_reason_of_a_failure_is_what_the_command_said(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Seed set to 0\nerror: csv x: there is no such file\n")
    assert reason_of(2, log) == "csv x: there is no such file"
    log.write_text("Killed\n")
    assert reason_of(-9, log) == "ended by signal 9; its last line: Killed"
    assert reason_of(0, log) == ""


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = Run("average", "average", "", 0, ("fit",), tmp_path)
    record = Record("run", "average", 0, "python -m v2a_lightning fit", {"cosine": 0.5}, "", 1.5, "miniature")
    (tmp_path / RECORD_FILE).write_text(json.dumps(record.__dict__))
    assert read_record(run) == record
