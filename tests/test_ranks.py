"""What processes of a run share."""

import socket

import pytest

from v2a_lightning import ranks
from v2a_lightning.processes import usable_cores


def test_alone_every_processor_is_ones_own() -> None:
    assert ranks.shared_cores() == len(usable_cores())


@pytest.mark.parametrize(
    ("mine", "others", "share"),
    [
        # torchrun: all of a machine's processes may run on all of its processors, or on those of a container.
        (range(16), [range(16)] * 7, 2),
        (range(3), [range(3)], 1),
        (range(1), [range(1)] * 7, 1),
        # SLURM: each has its own.
        (range(12, 24), [range(12), range(24, 36)], 12),
        # Half of them are shared.
        (range(8), [range(4, 12)], 6),
    ],
)
def test_processors_are_shared_by_those_who_may_run_on_them(
    monkeypatch: pytest.MonkeyPatch, mine: range, others: list[range], share: int
) -> None:
    here = socket.gethostname()

    def gather(items: list[object]) -> list[object]:
        return [*items, *((here, frozenset(other)) for other in others), ("elsewhere", frozenset(mine))]

    monkeypatch.setattr(ranks, "usable_cores", lambda: frozenset(mine))
    monkeypatch.setattr(ranks, "gather_lists", gather)
    assert ranks.shared_cores() == share
