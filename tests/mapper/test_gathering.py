"""Rows of clips: one each, in an order that does not depend on where they came from."""

import torch

from v2a_lightning.mapper.gathering import gather_clips


def test_rows_are_sorted_and_each_clip_counts_once() -> None:
    values, squares = gather_clips(["c", "a", "b", "a"], torch.tensor([3, 1, 2, 7]), torch.tensor([[9], [1], [4], [0]]))
    assert values.tolist() == [1, 2, 3]
    assert squares.tolist() == [[1], [4], [9]]


def test_no_rows() -> None:
    (values,) = gather_clips([], torch.zeros(0, 4))
    assert values.shape == (0, 4)
