"""The schedule at its corners."""

from itertools import pairwise

import pytest
import torch

from v2a_lightning.mapper import WarmupCosine


def rates(schedule: WarmupCosine, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def make(**options) -> tuple[WarmupCosine, torch.optim.Optimizer]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    return WarmupCosine(optimizer, **options), optimizer


def test_warm_up_then_half_a_cosine() -> None:
    found = rates(*make(warmup_steps=3, total_steps=11, final=0.1), 13)
    assert found[:4] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert found[7] == pytest.approx(2.0 * 0.55)
    assert found[11:] == pytest.approx([0.2, 0.2])
    assert all(later < earlier for earlier, later in pairwise(found[3:12]))


def test_constant_without_an_end() -> None:
    assert rates(*make(warmup_steps=1), 5) == pytest.approx([1.0, 2.0, 2.0, 2.0, 2.0])


def test_state_keeps_the_end() -> None:
    schedule, optimizer = make(warmup_steps=0, total_steps=4)
    first = rates(schedule, optimizer, 2)
    again, other = make(warmup_steps=0)
    again.load_state_dict(schedule.state_dict())
    other.load_state_dict(optimizer.state_dict())
    assert first + rates(again, other, 2) == pytest.approx(rates(*make(warmup_steps=0, total_steps=4), 4))
