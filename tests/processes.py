"""What tests ask about processes that are not their children."""

import time
from collections.abc import Iterable
from pathlib import Path


def all_end(pids: Iterable[int], seconds: float = 20.0) -> bool:
    """Whether processes end in time."""
    left = list(pids)
    begin = time.monotonic()
    while any(map(runs, left)) and time.monotonic() - begin < seconds:
        time.sleep(0.1)
    return not any(map(runs, left))


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [one for child in children for one in descendants(child)]
