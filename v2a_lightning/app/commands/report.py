"""`report`: a run's page, made again."""

from pathlib import Path

from v2a_lightning.errors import UsageError


def report(run: str, /, clips: int = 12) -> int:
    """Write a run's report.html again from the files in its folder.

    Args:
        run: the run's folder, or an experiment's folder for its newest run.
        clips: how many clips it shows.
    """
    if clips < 0:
        raise UsageError(f"--clips is 0 or more, not {clips}")
    from v2a_lightning.reports.run_page import write_report
    from v2a_lightning.runs import METRICS_FILE

    folder = Path(run)
    if not (folder / METRICS_FILE).is_file():
        runs = sorted(path.parent for path in folder.glob(f"*/{METRICS_FILE}"))
        if not runs:
            raise UsageError(f"{run} is neither a run's folder nor one of runs: there is no {METRICS_FILE}")
        folder = runs[-1]
    print(write_report(folder, clips))
    return 0
