"""The benchmark's rows on evaluation and generation, at a size that measures nothing."""

import pytest

from experiments.benchmarks.speed import evaluation, generation


@pytest.mark.parametrize("topic", [evaluation, generation])
def test_every_row_is_there(topic) -> None:
    rows = list(topic.rows(quick=True))
    assert len(rows) == {evaluation: 5, generation: 2}[topic]
    assert all(row.value > 0 and row.what and row.repeats >= 1 for row in rows)
    assert all(row.spread[0] <= row.value <= row.spread[1] for row in rows)
