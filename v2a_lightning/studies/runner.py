"""Runs a study's commands: those that are missing, several at a time, each kept whole or not at all."""

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue

from v2a_lightning.errors import RunFailure
from v2a_lightning.processes import cores
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.records import RECORD_FILE, Record, read_record, record_of, scores_of, write_record
from v2a_lightning.studies.workers import FreshProcess, Outcome, ReusedProcess, environment

OnRecord = Callable[[Run, Record], None]


def run_all(runs: Sequence[Run], workers: int, on_record: OnRecord) -> list[Record]:
    """Run what has not been run and give every run's record, in the order of `runs`.

    A run that failed before is tried again. One that was interrupted goes on where its last checkpoint is.

    Args:
        runs: trainings before what needs them.
        workers: processes that share the work; 0 gives each run a process of its own, one after the other.
        on_record: called with every run that ends.
    """
    by_name: dict[str, Run] = {}
    for run in runs:
        # A command that stands for several rows is run once.
        by_name.setdefault(run.name, run)
    pending = [run for run in by_name.values() if is_pending(run)]
    if pending:
        processes = start_processes(workers)
        try:
            problems = _prepare(pending, processes[0])
            for trains in (True, False):
                _run_several([run for run in pending if (run.needs is None) == trains], processes, problems, on_record)
        finally:
            for process in processes:
                process.close()
    return [record for run in runs if (record := read_record(run)) is not None]


def start_processes(workers: int) -> list[FreshProcess]:
    """What runs the commands: so many processes, which share the cores; for 0 a fresh process for each command."""
    if workers == 0:
        return [FreshProcess(dict(os.environ))]
    return [ReusedProcess(environment(max(1, cores() // workers))) for _ in range(workers)]


def is_pending(run: Run) -> bool:
    """Whether a run has not been made, or failed."""
    record = read_record(run)
    return record is None or record.failed


def _prepare(pending: Sequence[Run], process: FreshProcess) -> dict[tuple[str, ...], str]:
    """Let one process render and embed the data, since several would do so into one folder; and what went wrong.

    A run of one step does it. It also finds a mistake in a config before an hour has passed.
    """
    problems: dict[tuple[str, ...], str] = {}
    for run in pending:
        if run.data_key not in problems:
            log = run.folder.parent / f"preparing-{run.name}.log"
            problems[run.data_key] = process.run(run.preparing, log).reason
    return problems


def _run_several(
    runs: Sequence[Run],
    processes: Sequence[FreshProcess],
    problems: dict[tuple[str, ...], str],
    on_record: OnRecord,
) -> None:
    """Run what does not wait for one another, as many at a time as there are processes."""
    free: SimpleQueue[FreshProcess] = SimpleQueue()
    for process in processes:
        free.put(process)

    def work(run: Run) -> None:
        process = free.get()
        try:
            record = _run_one(run, process, problems.get(run.data_key, ""))
            write_record(run, record)
            on_record(run, record)
        finally:
            free.put(process)

    with ThreadPoolExecutor(len(processes)) as pool:
        futures = [pool.submit(work, run) for run in runs]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            for process in processes:
                process.close()
            raise


def _run_one(run: Run, process: FreshProcess, problem: str) -> Record:
    if not problem and run.needs is not None:
        training = read_record(run.needs)
        # A training that failed may have left a checkpoint, which is not evaluated.
        if training is None or training.failed or not run.needs.checkpoint.is_file():
            problem = f"its training failed: {(training and training.reason) or 'no checkpoint'}"
    if problem:
        return Record(run.name, run.row, run.seed, run.command, reason=problem)
    outcome = _launch(run, process)
    if outcome.code:
        return Record(run.name, run.row, run.seed, run.command, reason=outcome.reason, seconds=outcome.seconds)
    return record_of(run, outcome.seconds)


def _launch(run: Run, process: FreshProcess) -> Outcome:
    """Run it; a training that had been stopped after its last step has no scores, and begins anew."""
    (run.folder / RECORD_FILE).unlink(missing_ok=True)
    # Beside the folder, since the run itself looks whether its folder is taken.
    log = run.folder.parent / f"{run.name}.log"
    interrupted = run.folder.is_dir()
    if run.needs is not None and interrupted:
        shutil.rmtree(run.folder)
    outcome = process.run(run.arguments, log)
    if interrupted and run.needs is None and (outcome.code or not _has_scores(run)):
        shutil.rmtree(run.folder, ignore_errors=True)
        outcome = process.run(run.arguments, log)
    return outcome


def _has_scores(run: Run) -> bool:
    try:
        return bool(scores_of(run.folder, run.stage))
    except RunFailure:
        return False
