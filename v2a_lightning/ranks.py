"""What the processes of a run exchange: lists of anything, in the order of their ranks."""

import os
import socket
import sys
from typing import Any, TypeVar

from v2a_lightning.processes import usable_cores

Item = TypeVar("Item")


def rank_and_count() -> tuple[int, int]:
    """This process's rank and how many there are."""
    group = _group()
    return (group.get_rank(), group.get_world_size()) if group else (0, 1)


def is_first() -> bool:
    """Whether this process is the one that speaks for all; before they are a group, by what launchers set."""
    if group := _group():
        return bool(group.get_rank() == 0)
    set_by_launchers = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"))
    return next((rank for rank in set_by_launchers if rank), "0") == "0"


def gather_lists(items: list[Item]) -> list[Item]:
    """All processes' items, in the order of their ranks. Every process has to call it, with any number of items."""
    group = _group()
    if group is None or group.get_world_size() == 1:
        return items
    parts: list[Any] = [None] * group.get_world_size()
    group.all_gather_object(parts, items)
    return [item for part in parts for item in part]


def shared_cores() -> int:
    """How many processors are this process's, at least one: each is shared evenly by those that may run on it.

    Every process has to call it. Whether a launcher gave each process of a machine processors of its own, or all of
    them the same ones, this comes to the same.
    """
    mine = (socket.gethostname(), usable_cores())
    users = [cores for host, cores in gather_lists([mine]) if host == mine[0]]
    return max(1, int(sum(1 / sum(core in cores for cores in users) for core in mine[1]) + 1e-9))


def _group() -> Any:
    """`torch.distributed` where this process is in a group. It is in none where nobody has imported torch."""
    distributed: Any = sys.modules.get("torch.distributed")
    return distributed if distributed and distributed.is_available() and distributed.is_initialized() else None
