"""Findings in the terminal and in docs/results: a page for each study, a CSV for each table, and the figures."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from v2a_lightning.files import atomic_write
from v2a_lightning.reports.pages import write_page
from v2a_lightning.reports.tables import Table
from v2a_lightning.studies.plan import Options
from v2a_lightning.studies.study import Study

RESULTS = Path("docs/results")


@dataclass(frozen=True)
class Attachment:
    """A figure (.png), or a page to open in a browser (.html)."""

    path: Path
    caption: str


Finding = Table | Attachment


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
            write_page(folder / csv, finding.csv())
        elif finding.path.suffix == ".png":
            copy = copy_into(folder, finding.path, f"{name}-{finding.path.name}")
            parts.append(f"![{finding.caption}]({copy.name})")
        else:
            parts.append(f"{finding.caption}: `{finding.path}`")
    write_page(folder / f"{name}.md", "\n\n".join(part.strip() for part in [*parts, notes] if part) + "\n")


def copy_into(folder: Path, file: Path, name: str = "") -> Path:
    """Copy a file into a folder, under its own name or another; the copy's path."""
    target = folder / (name or file.name)
    with atomic_write(target) as temporary:
        shutil.copyfile(file, temporary)
    return target
