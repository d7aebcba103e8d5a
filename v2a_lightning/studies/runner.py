"""Runs a study's commands: those that are missing, several at a time, each kept whole or not at all."""

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

from v2a_lightning.errors import RunFailure
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.records import (
    RECORD_FILE,
    Record,
    label_of,
    read_record,
    scores_of,
    sounds_of,
    write_record,
)
from v2a_lightning.studies.worker import FreshProcess, Launcher, Outcome, ReusedProcess, cores, environment

Progress = Callable[[Run, Record], None]
STAGES = {"fit": "val", "validate": "val", "test": "test"}


def run_all(runs: Sequence[Run], workers: int, progress: Progress) -> list[Record]:
    """Run what has not been run and give every run's record, in the order of `runs`.

    A run that failed before is tried again. One that was interrupted goes on where its last checkpoint is.

    Args:
        runs: trainings before what needs them.
        workers: processes that share the work; 0 gives each run a process of its own, one after the other.
        progress: told of every run that ends.
    """
    by_name: dict[str, Run] = {}
    for run in runs:
        # A command that stands for several rows is run once.
        by_name.setdefault(run.name, run)
    pending = [run for run in by_name.values() if _is_pending(run)]
    if pending:
        several = launchers(workers)
        try:
            problems = _prepare(pending, several[0])
            for trains in (True, False):
                some = [run for run in pending if (run.needs is None) == trains]
                _run_several(some, several, problems, progress)
        finally:
            for launcher in several:
                launcher.close()
    return [record for run in runs if (record := read_record(run)) is not None]


def _is_pending(run: Run) -> bool:
    record = read_record(run)
    return record is None or record.failed


def launchers(workers: int) -> list[Launcher]:
    """What runs the commands: so many processes, which share the cores; for 0 a fresh process for each command."""
    if workers == 0:
        return [FreshProcess(dict(os.environ))]
    return [ReusedProcess(environment(max(1, cores() // workers))) for _ in range(workers)]


def _prepare(pending: Sequence[Run], launcher: Launcher) -> dict[tuple[str, ...], str]:
    """Let one process render and embed the data, since several would do so into one folder; and what went wrong.

    A run of one step does it. It also finds a mistake in a config before an hour has passed.
    """
    problems: dict[tuple[str, ...], str] = {}
    for run in pending:
        key = run.data_key
        if key in problems:
            continue
        outcome = launcher.run(run.preparing, run.folder.parent / f"preparing-{run.name}.log")
        problems[key] = outcome.reason
    return problems


def _run_several(
    runs: Sequence[Run],
    several: Sequence[Launcher],
    problems: dict[tuple[str, ...], str],
    progress: Progress,
) -> None:
    """Run what does not wait for one another, as many at a time as there are launchers."""
    free: SimpleQueue[Launcher] = SimpleQueue()
    for launcher in several:
        free.put(launcher)

    def work(run: Run) -> None:
        launcher = free.get()
        try:
            record = _run_one(run, launcher, problems.get(run.data_key, ""))
            write_record(run, record)
            progress(run, record)
        finally:
            free.put(launcher)

    with ThreadPoolExecutor(len(several)) as pool:
        futures = [pool.submit(work, run) for run in runs]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            for launcher in several:
                launcher.close()
            raise


def _run_one(run: Run, launcher: Launcher, problem: str) -> Record:
    if problem:
        return _failure(run, problem)
    if run.needs is not None:
        training = read_record(run.needs)
        # A training that failed may have left a checkpoint, of which nothing is to be asked.
        if training is None or training.failed or not run.needs.checkpoint.is_file():
            return _failure(run, f"its training failed: {(training and training.reason) or 'no checkpoint'}")
    outcome = _launch(run, launcher)
    if outcome.code:
        return _failure(run, outcome.reason, outcome.seconds)
    try:
        scores = scores_of(run.folder, STAGES[run.arguments[0]])
    except RunFailure as error:
        return _failure(run, str(error), outcome.seconds)
    label, sounds = label_of(run.folder), sounds_of(run.folder)
    return Record(run.name, run.row, run.seed, run.command, scores, "", outcome.seconds, label, sounds)


def _launch(run: Run, launcher: Launcher) -> Outcome:
    """Run it; a training that had been stopped after its last step has no scores, and begins anew."""
    (run.folder / RECORD_FILE).unlink(missing_ok=True)
    interrupted = run.folder.is_dir()
    if run.needs is not None and interrupted:
        shutil.rmtree(run.folder)
    outcome = launcher.run(run.arguments, _log(run))
    if interrupted and run.needs is None and (outcome.code or not _has_scores(run)):
        shutil.rmtree(run.folder, ignore_errors=True)
        outcome = launcher.run(run.arguments, _log(run))
    return outcome


def _has_scores(run: Run) -> bool:
    try:
        return bool(scores_of(run.folder, STAGES[run.arguments[0]]))
    except RunFailure:
        return False


def _log(run: Run) -> Path:
    """Beside the folder: the run itself says whether its folder is taken."""
    return run.folder.parent / f"{run.name}.log"


def _failure(run: Run, reason: str, seconds: float = 0.0) -> Record:
    return Record(run.name, run.row, run.seed, run.command, {}, reason, seconds)
