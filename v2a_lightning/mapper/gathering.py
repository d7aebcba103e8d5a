"""Rows from every process, each clip once."""

import torch
from torch import Tensor

from v2a_lightning.ranks import gather_lists


def gather_clips(clip_ids: list[str], *tables: Tensor) -> tuple[Tensor, ...]:
    """All processes' rows of `tables` (N, ...), on every process in the same order, each clip's first row only.

    Samplers may hand a clip to two processes to give all of them the same number; here it counts once. Rows are sorted
    by clip, so that the result depends neither on the number of processes nor on the order of the data. Tables are on
    the CPU; N may differ between processes and be zero.
    """
    shares = gather_lists([(clip_ids, tables)])
    names = [name for share_names, _ in shares for name in share_names]
    first = {name: row for row, name in reversed(list(enumerate(names)))}
    rows = torch.tensor([first[name] for name in sorted(first)], dtype=torch.long)
    return tuple(torch.cat(column)[rows] for column in zip(*(columns for _, columns in shares), strict=True))
