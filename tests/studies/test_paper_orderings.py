"""The paper's claims, asked of results that agree, disagree, and do not decide."""

from v2a_lightning.studies.analyses.paper_orderings import CLAIMS, orderings_table, paper_orderings
from v2a_lightning.studies.records import Record

SEEDS = range(5)
NOISE = (0.0, 0.3, -0.2, 0.1, -0.1)


def records(row: str, **metrics: float) -> list[Record]:
    noise = NOISE if row.startswith(("diffusion", "average")) else NOISE[::-1]
    return [
        Record(f"{row}-{seed}", row, seed, "", {name: value + noise[seed] for name, value in metrics.items()})
        for seed in SEEDS
    ]


def verdicts(diffusion: dict[str, float], regression: dict[str, float]) -> dict[tuple[str, str], str]:
    results = {
        "ablation-mapper": [
            *records("diffusion transformer", **diffusion),
            *records("regression transformer", **regression),
        ]
    }
    return {(one.claim.metric, one.claim.first): one.verdict for one in paper_orderings(results)}


def test_what_the_paper_found_agrees() -> None:
    found = verdicts({"fd": 10.0, "cs": 7.0}, {"fd": 20.0, "cs": 8.0})
    assert found == {("fd", "diffusion transformer"): "agrees", ("cs", "regression transformer"): "agrees"}


def test_the_opposite_disagrees_and_is_told() -> None:
    found = verdicts({"fd": 20.0, "cs": 8.0}, {"fd": 10.0, "cs": 7.0})
    assert found == {("fd", "diffusion transformer"): "disagrees", ("cs", "regression transformer"): "disagrees"}


def test_no_difference_decides_nothing_not_even_that_nothing_is_worse() -> None:
    found = verdicts({"fd": 10.0, "cs": 7.0}, {"fd": 10.0, "cs": 7.01})
    assert found == {("fd", "diffusion transformer"): "not decided", ("cs", "regression transformer"): "not decided"}


def test_a_claim_is_decided_by_the_p_of_all_claims_together() -> None:
    def found(*extra: Record) -> dict[str, str]:
        slight = [*records("average", fd=10.0), *records("random", fd=10.22), *extra]
        return {one.claim.second: one.verdict for one in paper_orderings({"ablation-aggregation": slight})}

    assert found() == {"random": "agrees"}
    # With a second claim, the p of the first is doubled.
    assert found(*records("middle", fd=10.0)) == {"random": "not decided", "middle": "not decided"}


def test_a_long_training_is_asked_apart_from_a_short_one() -> None:
    names = {"diffusion MLP": 5.0, "regression MLP": 9.0}
    results = {
        "ablation-mapper": [one for name, fd in names.items() for one in records(name, fd=-fd)],
        "training-length": [one for name, fd in names.items() for one in records(f"{name}, ten times as long", fd=fd)],
    }
    found = {one.claim.first: one.verdict for one in paper_orderings(results)}
    assert found == {"diffusion MLP": "disagrees", "diffusion MLP, ten times as long": "agrees"}


def test_one_seed_decides_nothing() -> None:
    results = {
        "ablation-aggregation": [Record("a", "average", 0, "", {"fd": 1.0}), Record("r", "random", 0, "", {"fd": 9.0})]
    }
    (found,) = paper_orderings(results)
    assert found.verdict == "not decided"


def test_all_three_orderings_are_claimed_and_shown() -> None:
    assert len({claim.text for claim in CLAIMS}) == 3
    results = {
        "ablation-aggregation": [
            *records("average", fd=1.0, cs=9.0), *records("random", fd=5.0, cs=5.0), *records("middle", fd=1.0, cs=9.0)
        ]
    }  # fmt: skip
    table = orderings_table(paper_orderings(results)).markdown()
    assert "| the average is the best aggregation | average | random | FD ↓ |" in table
    assert table.count("agrees") == 2
    assert table.count("not decided") == 2
