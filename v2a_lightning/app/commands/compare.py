"""`compare`: the scores of several systems in one table."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2a_lightning.app.messages import PIPE_WIDTH, PROGRAM, print_table
from v2a_lightning.errors import UsageError
from v2a_lightning.files import refuse_inputs_as_outputs
from v2a_lightning.json_files import write_json

if TYPE_CHECKING:
    from v2a_lightning.evaluation.score_files import ScoreFile


def compare(scores: list[str], /, output: str | None = None, report: bool = True) -> int:
    """Put the scores of several systems into one table.

    Numbers are compared only when their cards agree on everything but what the systems themselves did: the same clips,
    extractors, weights, sample rate, crop, frames and length. Otherwise the command names the field that differs and
    stops. Each system is compared with the first by a paired bootstrap: p is the chance of a difference this large
    without one in truth.

    Args:
        scores: files that `evaluate` wrote, the baseline first.
        output: file for the differences, their 95 % intervals and p-values as JSON.
        report: write a page with the table, and players of the same clips in each system, beside the output.
    """
    if len(scores) < 2:
        raise UsageError("a comparison needs the score files of at least two systems")
    if output is not None:
        refuse_inputs_as_outputs(scores, [output], "--output")
    from v2a_lightning.evaluation.compare import check_comparable, comparison_table
    from v2a_lightning.evaluation.score_files import read_score_file
    from v2a_lightning.reports.score_pages import page_beside, write_comparison_page

    files = [read_score_file(Path(path)) for path in scores]
    check_comparable(files)
    print_table(comparison_table(files), width=max(PIPE_WIDTH, 44 * (len(files) + 1)))
    if output is not None:
        write_json(output, {"scores": scores, **_differences(files)})
        print(f"differences: {output}")
        if report:
            print(f"page: {write_comparison_page(page_beside(Path(output)), files)}")
    print(f"next: {PROGRAM} listen build --system NAME=FOLDER NAME=FOLDER --output test.html   (what people hear)")
    return 0


def _differences(files: "list[ScoreFile]") -> dict[str, Any]:
    from v2a_lightning.evaluation.compare import paired_difference

    first, systems = files[0], []
    for file in files[1:]:
        shared = [name for name in first.scores.found if name in file.scores.found]
        differences = {name: paired_difference(first.scores.found[name], file.scores.found[name]) for name in shared}
        metrics = {name: asdict(difference) for name, difference in differences.items() if difference is not None}
        systems.append({"name": file.name, "metrics": metrics})
    return {"baseline": first.name, "label": first.label, "systems": systems}
