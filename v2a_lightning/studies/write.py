"""docs/results/: a page for each study with its tables, a CSV for each table, and the figures. Written by commands."""

from collections.abc import Sequence
from pathlib import Path

from v2a_lightning.files import atomic_write
from v2a_lightning.reports.tables import Table
from v2a_lightning.studies.plan import Options
from v2a_lightning.studies.run import Finding
from v2a_lightning.studies.study import Study
from v2a_lightning.studies.trained_runs import copy_into

RESULTS = Path("docs/results")


def print_findings(findings: Sequence[Finding]) -> None:
    """Tables as Markdown, which a terminal shows as well; figures and pages by their paths."""
    for finding in findings:
        print()
        print(finding.markdown().rstrip() if isinstance(finding, Table) else f"{finding.caption}: {finding.path}")


def write_study(study: Study, findings: Sequence[Finding], options: Options) -> None:
    """Write a study's page, tables and figures."""
    command = f"make {study.target}" + (f" SEEDS={options.seeds}" if options.seeds != 5 else "")
    about = f"{study.question.strip()}\n\n`{command}`"
    write_results(study.target, study.title, about, findings, study.notes.strip())


def write_results(
    name: str, title: str, about: str, findings: Sequence[Finding], notes: str = "", folder: Path = RESULTS
) -> None:
    """Write NAME.md with all findings between `about` and `notes`, NAME-TABLE.csv for each table, NAME-FIGURE.png."""
    parts = [f"# {title}", about]
    for finding in findings:
        if isinstance(finding, Table):
            parts.append(finding.markdown())
            csv = f"{name}-{finding.name}.csv" if finding.name not in ("table", name) else f"{name}.csv"
            write_text(folder / csv, finding.csv())
        elif finding.path.suffix == ".png":
            copy = copy_into(folder, finding.path, f"{name}-{finding.path.name}")
            parts.append(f"![{finding.caption}]({copy.name})")
        else:
            parts.append(f"{finding.caption}: `{finding.path}`")
    write_text(folder / f"{name}.md", "\n\n".join(part.strip() for part in [*parts, notes] if part) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
