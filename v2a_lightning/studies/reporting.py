"""What a study says at the terminal, and the paper's orderings over all studies."""

from collections.abc import Sequence

from v2a_lightning.errors import RunFailure
from v2a_lightning.files import atomic_write
from v2a_lightning.studies.conduct import Finding
from v2a_lightning.studies.orderings import CLAIMS, orderings_table, paper_orderings
from v2a_lightning.studies.plan import Options, plan
from v2a_lightning.studies.readme import write_section
from v2a_lightning.studies.records import Record, read_record
from v2a_lightning.studies.study import read_study
from v2a_lightning.studies.tables import Table


def print_findings(findings: Sequence[Finding]) -> None:
    """Tables as Markdown, which a terminal shows as well; figures and pages by their paths."""
    for finding in findings:
        print()
        print(finding.markdown().rstrip() if isinstance(finding, Table) else f"{finding.caption}: {finding.path}")


def stored_results(options: Options) -> dict[str, list[Record]]:
    """The records that are there of the studies that the paper's claims are about."""
    results = {}
    for target in sorted({claim.study for claim in CLAIMS}):
        found = [read_record(run) for run in plan(read_study(target), options)]
        results[target] = [record for record in found if record is not None]
    return results


def report_orderings(options: Options, write: bool) -> None:
    """Print the paper's claims with what these runs say of them; write them into experiments/README.md when asked.

    Raises:
        RunFailure: when no run that a claim is about is done.
    """
    results = stored_results(options)
    orderings = paper_orderings(results)
    if not orderings:
        raise RunFailure("no result yet: run ablation-mapper and ablation-aggregation first")
    labels = {record.label for records in results.values() for record in records if record.label}
    table = orderings_table(orderings, " and ".join(sorted(labels)) or "as configured")
    for suffix, text in (("md", table.markdown()), ("csv", table.csv()), ("tex", table.latex())):
        with atomic_write(options.output / f"orderings.{suffix}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(table.markdown())
    if write:
        write_section("orderings", table.markdown())
