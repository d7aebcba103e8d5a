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
    """Run a study of experiments/ablations: whatever of it is missing, then its tables and its figure.

    Every run is a `fit`, `validate` or `test` that one could type; --commands lists them. A target started again does
    only what is missing, and what failed. Tables (Markdown, CSV, LaTeX) and figures are in OUTPUT/TARGET. A run that
    failed stands in the table as failed, and the command ends with an error.

    Args:
        target: the study, such as ablation-aggregation; or "orderings", which asks the paper's claims of what is done;
            or "floor", which scores true sounds of other clips.
        seeds: trainings of each variant.
        size: "small" is the study on the miniature; "tiny" only shows that it works; "full" goes with --base.
        base: config files instead of the study's, such as experiments/v2a_mapper.yaml.
        set: key=value for every command, such as trainer.max_epochs=5.
        workers: processes that share the work; by default one for each core, up to four; 0 gives every run a process of
            its own, one after the other, as full-size trainings want it.
        output: folder of all studies.
        write: whether the findings are written into experiments/README.md.
        commands: list the commands and run nothing.
        folders: of table1: further folders of sounds to score, {"name": "folder"}.
    """
    if seeds < 1:
        raise UsageError(f"--seeds is at least 1, not {seeds}")
    if wrong := [one for one in set or [] if "=" not in one]:
        raise UsageError(f"--set wants key=value, not {wrong[0]!r}")
    from v2a_lightning.studies.conduct import conduct, prepared, write_findings
    from v2a_lightning.studies.floor import report_floor
    from v2a_lightning.studies.plan import Options, plan
    from v2a_lightning.studies.reporting import print_findings, report_orderings
    from v2a_lightning.studies.study import read_study

    options = Options(seeds, size, tuple(base or ()), tuple(set or ()), Path(output), folders or {})
    if target == "orderings":
        report_orderings(options, write)
        return 0
    if target == "floor":
        report_floor(options, write)
        return 0
    study = read_study(target)
    if commands:
        for run in plan(prepared(study, options), options):
            print(run.command)
        return 0
    conclusion = conduct(study, options, _workers(workers, size))
    print_findings(conclusion.findings)
    if write:
        write_findings(study, conclusion.findings, options)
    if conclusion.failed:
        raise RunFailure(
            f"{conclusion.failed} of {conclusion.runs} runs failed, for the reasons below the table, also in "
            f"{options.folder(study)}; the same command tries them again"
        )
    return 0


def _workers(wanted: int | None, size: str) -> int:
    if wanted is not None:
        if wanted < 0:
            raise UsageError(f"--workers is 0 or more, not {wanted}")
        return wanted
    from v2a_lightning.studies.worker import cores

    return 0 if size == "full" else min(4, cores())
