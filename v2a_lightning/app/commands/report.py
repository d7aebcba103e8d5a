"""`report`: a page, written again."""

from pathlib import Path

from v2a_lightning.errors import UsageError


def report(source: str, /, clips: int = 12) -> int:
    """Write a page again from the files that a command left.

    Of a run that is report.html in its folder; of a folder that `generate` wrote, report.html there; of the file that
    `evaluate` or `compare --output` wrote, a page beside it.

    Args:
        source: a run's folder, an experiment's folder for its newest run, a folder of `generate`, or a JSON file of
            `evaluate` or `compare`.
        clips: how many clips a run's page shows.
    """
    if clips < 0:
        raise UsageError(f"--clips is 0 or more, not {clips}")
    path = Path(source)
    print(_of_file(path) if path.is_file() else _of_folder(path, clips))
    return 0


def _of_file(path: Path) -> Path:
    from v2a_lightning.evaluation.score_files import read_score_file
    from v2a_lightning.json_files import read_json
    from v2a_lightning.reports.score_pages import page_beside, write_comparison_page, write_scores_page

    content = read_json(path, dict, "file that `evaluate` or `compare` wrote")
    if "systems" not in content:
        return write_scores_page(page_beside(path), read_score_file(path))
    scores = read_json(path, {"scores": [str]}, "file that this version of `compare` wrote")["scores"]
    return write_comparison_page(page_beside(path), [read_score_file(Path(one)) for one in scores])


def _of_folder(folder: Path, clips: int) -> Path:
    from v2a_lightning.generation import GENERATION_FILE
    from v2a_lightning.reports.generation_page import write_generation_page
    from v2a_lightning.reports.run_page import write_report
    from v2a_lightning.runs import METRICS_FILE

    if (folder / GENERATION_FILE).is_file():
        return write_generation_page(folder)
    own = [folder] if (folder / METRICS_FILE).is_file() else []
    runs = own or sorted(one.parent for one in folder.glob(f"*/{METRICS_FILE}"))
    if not runs:
        raise UsageError(
            f"{folder} is no file of scores, and neither a run's folder nor one of runs: there is no {METRICS_FILE}"
        )
    return write_report(runs[-1], clips)
