"""One study from beginning to end: prepare, run what is missing, make tables and figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from v2a_lightning.files import atomic_write
from v2a_lightning.reports.charts import save_figure
from v2a_lightning.reports.tables import Table
from v2a_lightning.studies.plan import Options, Run, plan
from v2a_lightning.studies.records import Record, about, failure_notes, label_of, read_record
from v2a_lightning.studies.runner import run_all
from v2a_lightning.studies.study import Study, imported
from v2a_lightning.studies.tables import difference_table, draw_study, study_table


@dataclass(frozen=True)
class Attachment:
    """A figure (.png), or a page to open in a browser (.html)."""

    path: Path
    caption: str


Finding = Table | Attachment


@dataclass(frozen=True)
class StudyRuns:
    """What an analysis is given: the study, its commands, and how each came out."""

    study: Study
    options: Options
    runs: Sequence[Run]
    records: Sequence[Record]
    folder: Path

    def trainings(self, variant: str | None = None) -> list[Run]:
        """The trainings that were done (of one variant), by seed."""
        done = {record.run for record in self.records if not record.failed}
        return [
            run
            for run in self.runs
            if run.needs is None and run.name in done and variant in (None, run.variant) and run.checkpoint.is_file()
        ]

    def evaluations(self, variant: str, evaluation: str) -> list[Record]:
        """The records of an evaluation of a variant, by seed."""
        names = {run.name for run in self.runs if (run.variant, run.evaluation) == (variant, evaluation)}
        return [record for record in self.records if record.run in names]

    @property
    def label(self) -> str:
        """Whose extractors the scores are of: "miniature", or "as configured"."""
        return label_of(self.records)

    @property
    def about(self) -> str:
        """Which world the numbers are of, and how many seeds."""
        return about(self.records)

    def attach(self, figure: Any, caption: str) -> Attachment:
        """Save the study's figure in its folder; its caption has the study's title where it begins with a bracket."""
        save_figure(figure, self.folder / "figure.png")
        return Attachment(self.folder / "figure.png", f"{self.study.title} {caption}" if caption[0] == "(" else caption)

    def failure_notes(self) -> list[str]:
        """A line for each reason that trainings and evaluations failed for."""
        names = {run.name: run.title or "training" for run in self.runs}
        return failure_notes([replace(record, row=names[record.run]) for record in self.records])


@dataclass(frozen=True)
class StudyResult:
    """The findings of a study, all written to its folder; how many of its runs failed, and how many it has."""

    findings: Sequence[Finding]
    failed: int
    runs: int


def run_study(study: Study, options: Options, workers: int, log: Callable[[str], None] = print) -> StudyResult:
    """Run whatever of the study is not done, write its tables and figures, and return them.

    Of `workers` processes 0 gives each run one of its own; `log` is called with a line for every run that ends.
    """
    folder = options.folder(study)
    study = prepared(study, options)
    runs = plan(study, options)
    with atomic_write(folder / "commands.txt") as temporary:
        temporary.write_text("".join(f"{run.command}\n" for run in runs), encoding="utf-8")
    records = run_all(runs, workers, _progress(runs, log))
    findings = _study_findings(study, records, folder)
    if study.analyse:
        findings += imported(study.analyse)(StudyRuns(study, options, runs, records, folder))
    for finding in findings:
        if isinstance(finding, Table):
            finding.write(folder)
    failed = {record.run for record in records if record.failed}
    return StudyResult(findings, len(failed), len({run.name for run in runs}))


def prepared(study: Study, options: Options) -> Study:
    """The study once it is known what of it there is data for, such as another drawing style."""
    return imported(study.prepare)(study, options) if study.prepare else study


def _study_findings(study: Study, records: Sequence[Record], folder: Path) -> list[Finding]:
    if not study.metrics:
        return []
    findings: list[Finding] = [study_table(study, records)]
    differences = difference_table(study, records)
    if differences is not None:
        findings.append(differences)
    if draw_study(study, records, folder / "figure.png"):
        findings.append(Attachment(folder / "figure.png", study.title))
    return findings


def _progress(runs: Sequence[Run], log: Callable[[str], None]) -> Callable[[Run, Record], None]:
    done = {run.name: record is not None and not record.failed for run in runs for record in [read_record(run)]}
    ended = sum(done.values())
    if ended:
        log(f"{ended} of {len(done)} runs are done already")

    def progress(run: Run, record: Record) -> None:
        nonlocal ended
        ended += 1
        outcome = f"FAILED: {record.reason}" if record.failed else f"{record.seconds:.0f} s"
        log(f"[{ended}/{len(done)}] {run.title + ', ' if run.title else ''}seed {run.seed}: {outcome}")

    return progress
