"""The paper's three orderings, tested on the records of all studies: an interval, and a p corrected for the number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from v2a_lightning.errors import RunFailure
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.tables import Figure, Table
from v2a_lightning.studies.plan import Options, plan
from v2a_lightning.studies.records import Record, by_row, difference_of, read_record
from v2a_lightning.studies.statistics import Difference, holm
from v2a_lightning.studies.study import read_study
from v2a_lightning.studies.write import write_results

Verdict = Literal["agrees", "disagrees", "not decided"]
# Diffusion and regression are compared within each kind of network, and once more after a longer training.
PAIRS = (
    ("ablation-mapper", "diffusion transformer", "regression transformer"),
    ("ablation-mapper", "diffusion MLP", "regression MLP"),
    ("training-length", "diffusion MLP, ten times as long", "regression MLP, ten times as long"),
)
OTHER_AGGREGATORS = ("random", "middle")
# Above this adjusted p a claim is not decided.
ALPHA = 0.05
ABOUT = (
    "Of the paper's ablations only the order of the results is public. “Agrees” and “disagrees” mean that p is at most "
    "0.05 after Holm's correction for the number of claims. “Not worse” is tested as “better”, since no margin was "
    "named before the runs."
)


@dataclass(frozen=True)
class Claim:
    """That a study's first row is better than its second in one score, or not worse, in the paper's words.

    "Not worse" is tested as "better": without a margin that was named before, no run can show that nothing is lost.
    """

    text: str
    study: str
    metric: str
    first: str
    second: str


@dataclass(frozen=True)
class Ordering:
    """How a claim came out: the first row less the second, and its p by Holm's method over all claims."""

    claim: Claim
    difference: Difference
    adjusted_p: float

    @property
    def verdict(self) -> Verdict:
        """Whether the runs say what the claim says."""
        if not self.adjusted_p <= ALPHA:
            return "not decided"
        lower_is_better = measure(self.claim.metric).better == "lower"
        return "agrees" if (self.difference.value < 0) == lower_is_better else "disagrees"


CLAIMS = (
    *(
        Claim("diffusion is better in FD than regression", study, metric, diffusion, regression)
        for metric in ("embedding_fd", "fd")
        for study, diffusion, regression in PAIRS
    ),
    *(
        Claim("regression is not worse in CLIP-score than diffusion", study, "cs", regression, diffusion)
        for study, diffusion, regression in PAIRS
    ),
    *(
        Claim("the average is the best aggregation", "ablation-aggregation", metric, "average", other)
        for metric in ("fd", "cs", "embedding_fd")
        for other in OTHER_AGGREGATORS
    ),
)


def report_orderings(options: Options, write: bool) -> None:
    """Print the paper's claims with what these runs say of them; write them into docs/results when wanted.

    Raises:
        RunFailure: when no run that a claim is about is done.
    """
    results = {}
    for target in sorted({claim.study for claim in CLAIMS}):
        records = [read_record(run) for run in plan(read_study(target), options)]
        results[target] = [record for record in records if record is not None]
    orderings = paper_orderings(results)
    if not orderings:
        raise RunFailure("no result yet: run ablation-mapper and ablation-aggregation first")
    labels = {record.label for records in results.values() for record in records if record.label}
    table = orderings_table(orderings, " and ".join(sorted(labels)) or "as configured")
    table.write(options.output)
    print(table.markdown())
    if write:
        write_results("orderings", "The paper's orderings", ABOUT, [table])


def paper_orderings(results: Mapping[str, Sequence[Record]]) -> list[Ordering]:
    """Every claim that the results can decide, with its verdict.

    Args:
        results: records by study; rows of "ablation-aggregation" are "<training>" or "<training>, ...".
    """
    rows = {study: by_row(records) for study, records in results.items()}
    found: list[tuple[Claim, Difference]] = []
    for claim in CLAIMS:
        first, second = (rows.get(claim.study, {}).get(row, []) for row in (claim.first, claim.second))
        if difference := difference_of(second, first, claim.metric):
            found.append((claim, difference))
    adjusted = holm([difference.p_value for _, difference in found])
    return [Ordering(*one, p) for one, p in zip(found, adjusted, strict=True)]


def orderings_table(orderings: Sequence[Ordering], label: str = "miniature") -> Table:
    """What the paper orders, and what these runs say."""
    return Table(
        name="orderings",
        caption=f"The paper's orderings, on these runs ({label}): the first row less the second, paired by seed.",
        columns=["Claim", "First", "Second", "Score", "Difference", "p by Holm", "Verdict"],
        rows=[
            [
                one.claim.text,
                one.claim.first,
                one.claim.second,
                measure(one.claim.metric).heading,
                one.difference,
                Figure(one.adjusted_p, ".2g"),
                one.verdict,
            ]
            for one in orderings
        ],
    )
