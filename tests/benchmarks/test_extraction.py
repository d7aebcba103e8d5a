"""The rows of extraction, at their smallest: what each is measured against, and what its goal is."""

from experiments.benchmarks.speed import extraction


def test_rows() -> None:
    decoding, whole = extraction.rows(quick=True)
    assert (decoding.against, decoding.goal, decoding.repeats) == ("decord alone", 0.95, 1)
    assert (whole.against, whole.goal, whole.repeats) == ("the encoders alone", 0.92, 1)
    assert all(row.unit == "x" and 0 < row.value < 100 and row.met is not None for row in (decoding, whole))
