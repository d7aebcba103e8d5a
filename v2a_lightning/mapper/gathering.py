"""Rows from every process, each clip once."""

import torch
import torch.distributed as dist
from torch import Tensor

Share = tuple[list[str], tuple[Tensor, ...]]


def gather_clips(clip_ids: list[str], *tables: Tensor) -> tuple[Tensor, ...]:
    """All processes' rows of `tables` (N, ...), on every process in the same order, each clip's first row only.

    Samplers may hand a clip to two processes to give all of them the same number; here it counts once. Rows are sorted
    by clip, so that the result depends neither on the number of processes nor on the order of the data.

    Args:
        clip_ids: N names.
        tables: on the CPU, with N rows each; N may differ between processes and be zero.
    """
    shares = _every_share((clip_ids, tables))
    names = [name for share_names, _ in shares for name in share_names]
    first = {name: row for row, name in reversed(list(enumerate(names)))}
    rows = torch.tensor([first[name] for name in sorted(first)], dtype=torch.long)
    return tuple(torch.cat(column)[rows] for column in zip(*(columns for _, columns in shares), strict=True))


def _every_share(share: Share) -> list[Share]:
    if not (dist.is_available() and dist.is_initialized()):
        return [share]
    shares: list[Share] = [share] * dist.get_world_size()
    dist.all_gather_object(shares, share)
    return shares
