"""One study from beginning to end: prepare, run what is missing, make tables and figures."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from v2a_lightning.progress import Advance, progress
from v2a_lightning.reports.charts import save_figure
from v2a_lightning.reports.pages import write_page
from v2a_lightning.reports.tables import Cell, Table
from v2a_lightning.studies.analyses.score_floor import read_floor, with_floor
from v2a_lightning.studies.plan import Options, Run, plan
from v2a_lightning.studies.records import Record, about, failure_notes, label_of
from v2a_lightning.studies.runner import OnRecord, is_pending, run_all
from v2a_lightning.studies.study import Study, imported
from v2a_lightning.studies.tables import difference_table, draw_study, study_table
from v2a_lightning.studies.trained_runs import TrainedRun, cached_json, open_run
from v2a_lightning.studies.write import Attachment, Finding

Size = TypeVar("Size")


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

    def open(self, run: Run, further: Sequence[str] = (), trained: bool = True) -> TrainedRun:
        """A training's objects; see `open_run`."""
        return open_run(run, self.options, further, trained)

    def cached(
        self, run: Run, name: str, compute: Callable[[Run], Any], settings: Mapping[str, Any] | None = None, *files: str
    ) -> Any:
        """What an analysis computes of a training, kept as `name`.json in its folder, and `files` beside it."""
        beside = [run.folder / file for file in files]
        return cached_json(run.folder / f"{name}.json", lambda: compute(run), settings, beside)

    def sized(self, usual: Size, tiny: Size) -> Size:
        """One value, and another at the size "tiny"."""
        return tiny if self.options.size == "tiny" else usual

    @property
    def label(self) -> str:
        """Whose extractors the scores are of: "miniature", or "as configured"."""
        return label_of(self.records)

    @property
    def about(self) -> str:
        """Which world the numbers are of, and how many seeds."""
        return about(self.records)

    def table(self, caption: str, rows: Sequence[Mapping[str, Cell]], *notes: str, name: str = "table") -> Table:
        """A table of rows by heading, with a line for each reason that trainings and evaluations failed for."""
        names = {run.name: run.title or "training" for run in self.runs}
        failed = failure_notes([replace(record, row=names[record.run]) for record in self.records])
        return Table.of(name, caption, rows, [*notes, *failed])

    def attach(self, figure: Any, caption: str) -> Attachment:
        """Save the study's figure in its folder; its caption has the study's title where it begins with a bracket."""
        save_figure(figure, self.folder / "figure.png")
        return Attachment(self.folder / "figure.png", f"{self.study.title} {caption}" if caption[0] == "(" else caption)


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
    folder = options.folder(study.target)
    study = prepared(study, options)
    runs = plan(study, options)
    write_page(folder / "commands.txt", "".join(f"{run.command}\n" for run in runs))
    names = {run.name for run in runs}
    pending = {run.name for run in runs if is_pending(run)}
    if pending < names:
        log(f"{len(names) - len(pending)} of {len(names)} runs are done already")
    with progress("runs", len(pending)) as advance:
        records = run_all(runs, workers, _report(names, pending, log, advance))
    findings = _study_findings(study, records, folder)
    if study.analyse:
        findings += imported(study.analyse)(StudyRuns(study, options, runs, records, folder))
    floor = read_floor(options)
    findings = [with_floor(one, floor) if isinstance(one, Table) else one for one in findings]
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
    differences, figure = difference_table(study, records), folder / "figure.png"
    findings: list[Finding] = [study_table(study, records), *([differences] if differences else [])]
    return [*findings, Attachment(figure, study.title)] if draw_study(study, records, figure) else findings


def _report(names: Set[str], pending: Set[str], log: Callable[[str], None], advance: Advance) -> OnRecord:
    ended = len(names) - len(pending)

    def report(run: Run, record: Record) -> None:
        nonlocal ended
        ended += 1
        outcome = f"FAILED: {record.reason}" if record.failed else f"{record.seconds:.0f} s"
        log(f"[{ended}/{len(names)}] {run.title + ', ' if run.title else ''}seed {run.seed}: {outcome}")
        advance(1)

    return report
