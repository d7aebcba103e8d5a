"""One study from beginning to end: prepare, run what is missing, make tables and figures, write them down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from v2a_lightning.files import atomic_write
from v2a_lightning.studies.figures import draw_study
from v2a_lightning.studies.plan import Options, Run, plan
from v2a_lightning.studies.readme import keep_figure, write_section
from v2a_lightning.studies.records import Record
from v2a_lightning.studies.runner import run_all
from v2a_lightning.studies.study import Study, hook
from v2a_lightning.studies.summary import about, difference_table, failures, label, study_table
from v2a_lightning.studies.tables import Table


@dataclass(frozen=True)
class Figure:
    """A picture of a study.

    Args:
        path: a PNG in the study's folder.
        caption: what it shows.
    """

    path: Path
    caption: str


@dataclass(frozen=True)
class Page:
    """A page to open in a browser."""

    path: Path
    caption: str


Finding = Table | Figure | Page


@dataclass(frozen=True)
class Context:
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

    @property
    def label(self) -> str:
        """Whose ears the scores are: "miniature", or "as configured"."""
        return label(self.records)

    @property
    def about(self) -> str:
        """Which world the numbers are of, and how many seeds."""
        return about(self.records)

    def failures(self) -> list[str]:
        """A line for each reason that trainings and evaluations failed for."""
        names = {run.name: ", ".join(part for part in (run.variant, run.evaluation) if part) for run in self.runs}
        return failures([replace(record, row=names[record.run] or "training") for record in self.records])

    def evaluations(self, variant: str, evaluation: str) -> list[Record]:
        """The records of an evaluation of a variant, by seed."""
        names = {run.name for run in self.runs if (run.variant, run.evaluation) == (variant, evaluation)}
        return [record for record in self.records if record.run in names]


@dataclass(frozen=True)
class Conclusion:
    """What became of a study.

    Args:
        findings: tables, figures and pages, all written to its folder.
        failed: how many of its runs failed.
        runs: how many it has.
    """

    findings: Sequence[Finding]
    failed: int
    runs: int


def conduct(study: Study, options: Options, workers: int, say: Callable[[str], None] = print) -> Conclusion:
    """Do whatever of the study is not done, write its tables and figures, and give them back.

    Args:
        study: which.
        options: how many seeds, at what size, on what base.
        workers: processes; 0 gives each run one of its own.
        say: told of every run that ends.
    """
    folder = options.folder(study)
    study = prepared(study, options)
    runs = plan(study, options)
    _write(folder / "commands.txt", "".join(f"{run.command}\n" for run in runs))
    records = run_all(runs, workers, _teller(runs, say))
    findings = [*_own_findings(study, records, folder), *_analysis(Context(study, options, runs, records, folder))]
    for finding in findings:
        if isinstance(finding, Table):
            for suffix, text in (("md", finding.markdown()), ("csv", finding.csv()), ("tex", finding.latex())):
                _write(folder / f"{finding.name}.{suffix}", text)
    failed = {record.run for record in records if record.failed}
    return Conclusion(findings, len(failed), len({run.name for run in runs}))


def prepared(study: Study, options: Options) -> Study:
    """The study once it is known what of it there is data for, such as another drawing style."""
    return hook(study.prepare)(study, options) if study.prepare else study


def write_findings(study: Study, findings: Sequence[Finding], options: Options) -> None:
    """Write a study's findings into experiments/README.md and its figures beside it."""
    command = [f"make {study.target}", *([f"SEEDS={options.seeds}"] if options.seeds != 5 else [])]
    parts = [study.question, f"`{' '.join(command)}`"]
    for finding in findings:
        if isinstance(finding, Table):
            parts.append(finding.markdown())
        elif isinstance(finding, Figure):
            kept = keep_figure(finding.path, f"{study.target}-{finding.path.name}")
            parts.append(f"![{finding.caption}]({kept})")
        else:
            parts.append(f"{finding.caption}: `{finding.path}`")
    if study.notes:
        parts.append(study.notes.strip())
    write_section(study.target, "\n\n".join(part.strip() for part in parts))


def _own_findings(study: Study, records: Sequence[Record], folder: Path) -> list[Finding]:
    if not study.metrics:
        return []
    findings: list[Finding] = [study_table(study, records)]
    differences = difference_table(study, records)
    if differences is not None:
        findings.append(differences)
    if draw_study(study, records, folder / "figure.png"):
        findings.append(Figure(folder / "figure.png", study.title))
    return findings


def _analysis(context: Context) -> list[Finding]:
    return hook(context.study.analyse)(context) if context.study.analyse else []


def _teller(runs: Sequence[Run], say: Callable[[str], None]) -> Callable[[Run, Record], None]:
    from v2a_lightning.studies.records import read_record

    done = {run.name: record is not None and not record.failed for run in runs for record in [read_record(run)]}
    ended = sum(done.values())
    if ended:
        say(f"{ended} of {len(done)} runs are done already")

    def tell(run: Run, record: Record) -> None:
        nonlocal ended
        ended += 1
        outcome = f"FAILED: {record.reason}" if record.failed else f"{record.seconds:.0f} s"
        what = ", ".join(part for part in (run.variant, run.evaluation) if part)
        say(f"[{ended}/{len(done)}] {what + ', ' if what else ''}seed {run.seed}: {outcome}")

    return tell


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
