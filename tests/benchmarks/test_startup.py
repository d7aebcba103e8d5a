"""The rows of the commands that have little to do."""

from collections.abc import Sequence

import pytest

from experiments.benchmarks.speed import startup
from experiments.benchmarks.speed.measuring import Usage


def test_every_command_has_its_row_and_its_goal(monkeypatch: pytest.MonkeyPatch) -> None:
    longer: list[Sequence[str]] = []

    def quick(arguments: Sequence[str]) -> Usage:
        if arguments[0] == "embed" or "--run.wandb=offline" in arguments:
            longer.append(arguments)
            return Usage(100.0, 4.0, 0, 0)
        return run(arguments)

    run = startup.run
    monkeypatch.setattr(startup, "run", quick)
    found = {row.what: row for row in startup.rows(quick=True)}
    assert {what: row.goal for what, row in found.items()} == {
        "`fit --help`": 3.0,
        "`fit` with a mistyped key": 5.0,
        "`generate` with a file that is missing": 5.0,
        "`embed` on a finished store": 5.0,
        "quickstart": 150.0,
    }
    assert all(row.value > 0 and row.unit == "s" and row.better == "lower" for row in found.values())
    assert [arguments[0] for arguments in longer] == ["embed", "embed", "fit"]
    assert found["quickstart"].value == 100
