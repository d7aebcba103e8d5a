"""The paper's three orderings, asked of results: with an interval, and told whichever way they come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from v2a_lightning.experiments.measures import measure
from v2a_lightning.experiments.records import Record, by_row
from v2a_lightning.experiments.statistics import Difference, paired_difference
from v2a_lightning.experiments.summary import values_by_seed
from v2a_lightning.experiments.tables import Table

Verdict = Literal["agrees", "disagrees", "not decided"]
# Diffusion and regression are compared within each kind of network, and once more after a longer training.
PAIRS = (
    ("ablation-mapper", "diffusion transformer", "regression transformer"),
    ("ablation-mapper", "diffusion MLP", "regression MLP"),
    ("training-length", "diffusion MLP, ten times as long", "regression MLP, ten times as long"),
)
OTHER_AGGREGATORS = ("random", "middle")


@dataclass(frozen=True)
class Claim:
    """That one row is better than another, or not worse, in one score.

    Args:
        text: the paper's words for it.
        study: whose rows they are.
        metric: the score.
        first: the row that is claimed to be better.
        second: the row it is compared with.
        strict: whether "better" is claimed; else "not worse".
    """

    text: str
    study: str
    metric: str
    first: str
    second: str
    strict: bool = True


@dataclass(frozen=True)
class Ordering:
    """How a claim came out.

    Args:
        claim: what was claimed.
        difference: the first row less the second, seed by seed.
        verdict: "agrees" or "disagrees" when the interval decides, else "not decided". A claim of "not worse"
            disagrees only when the interval shows it to be worse, and agrees when it shows better or the mean is.
    """

    claim: Claim
    difference: Difference
    verdict: Verdict


CLAIMS = (
    *(
        Claim("diffusion is better in FD than regression", study, metric, diffusion, regression)
        for metric in ("embedding_fd", "fd")
        for study, diffusion, regression in PAIRS
    ),
    *(
        Claim("regression is not worse in CLIP-score than diffusion", study, "cs", regression, diffusion, strict=False)
        for study, diffusion, regression in PAIRS
    ),
    *(
        Claim("the average is the best aggregation", "ablation-aggregation", metric, "average", other)
        for metric in ("fd", "cs", "embedding_fd")
        for other in OTHER_AGGREGATORS
    ),
)


def paper_orderings(results: Mapping[str, Sequence[Record]]) -> list[Ordering]:
    """Ask every claim that the results can answer.

    Args:
        results: records by study; rows of "ablation-aggregation" are "<training>" or "<training>, ...".
    """
    found = []
    for claim in CLAIMS:
        rows = by_row(results.get(claim.study, ()))
        first, second = rows.get(claim.first, []), rows.get(claim.second, [])
        difference = paired_difference(values_by_seed(second, claim.metric), values_by_seed(first, claim.metric))
        if difference is not None:
            found.append(Ordering(claim, difference, _verdict(claim, difference)))
    return found


def orderings_table(orderings: Sequence[Ordering], label: str = "miniature") -> Table:
    """What the paper orders, and what these runs say."""
    return Table(
        name="orderings",
        caption=f"The paper's orderings, asked of these runs ({label}): the first row less the second, paired by seed.",
        columns=["Claim", "First", "Second", "Score", "Difference", "Verdict"],
        rows=[
            [
                one.claim.text,
                one.claim.first,
                one.claim.second,
                measure(one.claim.metric).heading,
                one.difference,
                one.verdict,
            ]
            for one in orderings
        ],
    )


def _verdict(claim: Claim, difference: Difference) -> Verdict:
    summary = difference.summary
    sign = -1.0 if measure(claim.metric).better == "lower" else 1.0
    gain, low = sign * summary.mean, min(sign * summary.low, sign * summary.high)
    high = max(sign * summary.low, sign * summary.high)
    if low > 0:
        return "agrees"
    if high < 0:
        return "disagrees"
    if not claim.strict and gain >= 0 and summary.count > 1:
        return "agrees"
    return "not decided"
