"""`experiment`: run a study and print its tables."""

from pathlib import Path
from typing import Literal

from v2a_lightning.errors import RunFailure, UsageError


def experiment(
    target: str,
    /,
    seeds: int = 5,
    size: Literal["tiny", "small", "full"] = "small",
    base: list[str] | None = None,
    set: list[str] | None = None,
    workers: int | None = None,
    output: str = "runs/experiments",
    write: bool = False,
    commands: bool = False,
    folders: dict[str, str] | None = None,
) -> int:
    """Run a study: whatever of it is missing, then its tables and its figure.

    Every run is a `fit`, `validate` or `test` that one could type; --commands lists them. A target started again does
    only what is missing, and what failed. Tables (Markdown, CSV, LaTeX) and figures are in OUTPUT/TARGET. A run that
    failed stands in the table as failed, and the command ends with an error.

    Args:
        target: the study, such as ablation-aggregation, or the path of a YAML of one's own; or "orderings", which tests
            the paper's claims on what is done; or "floor", which scores true sounds of other clips for a row
            below every table of distances made from then on.
        seeds: trainings of each variant.
        size: "small" is the study on the miniature; "tiny" only shows that it works; "full" goes with --base.
        base: configs instead of the study's, such as v2a_mapper.
        set: key=value for every command, such as trainer.max_epochs=5.
        workers: processes that share the work; by default one for each core, up to four; 0 gives every run a process of
            its own, one after the other, as full-size trainings want it.
        output: folder of all studies.
        write: whether the findings are written into docs/results.
        commands: list the commands and run nothing.
        folders: of table1: further folders of sounds to score, {"name": "folder"}.
    """
    if seeds < 1:
        raise UsageError(f"--seeds is at least 1, not {seeds}")
    if workers is not None and workers < 0:
        raise UsageError(f"--workers is 0 or more, not {workers}")
    if wrong := [one for one in set or [] if "=" not in one]:
        raise UsageError(f"--set wants key=value, not {wrong[0]!r}")
    from v2a_lightning.app.lightning_cli import MapperCLI
    from v2a_lightning.processes import cores
    from v2a_lightning.studies.analyses.paper_orderings import report_orderings
    from v2a_lightning.studies.analyses.score_floor import report_floor
    from v2a_lightning.studies.plan import Options, plan
    from v2a_lightning.studies.run import prepared, run_study
    from v2a_lightning.studies.study import read_study
    from v2a_lightning.studies.write import print_findings, write_study

    options = Options(seeds, size, tuple(base or ()), tuple(set or ()), Path(output), folders or {}, MapperCLI)
    if target in ("orderings", "floor"):
        (report_orderings if target == "orderings" else report_floor)(options, write)
        return 0
    study = read_study(target)
    if commands:
        print(*(run.command for run in plan(prepared(study, options), options)), sep="\n")
        return 0
    processes = workers if workers is not None else 0 if size == "full" else min(4, cores())
    result = run_study(study, options, processes)
    print_findings(result.findings)
    print(f"\ntables and figures: {options.folder(study.target)}")
    if write:
        write_study(study, result.findings, options)
    if result.failed:
        raise RunFailure(
            f"{result.failed} of {result.runs} runs failed, for the reasons below the table, also in "
            f"{options.folder(study.target)}; the same command tries them again"
        )
    return 0
