"""Processes that end with the one that started them, however that ended."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

PARENT = "V2A_LIGHTNING_PARENT"
"""The environment's name for the process with which a command ends."""
LOOK_SECONDS = 0.5


def end_with_parent(parent: int) -> None:
    """Kill this process soon after its parent, given by process id, has ended.

    A thread looks, since Linux's own signal (PR_SET_PDEATHSIG) comes when the *thread* ends that started this process.
    """
    if sys.platform != "win32":
        threading.Thread(target=_look, args=(parent,), daemon=True, name="end with parent").start()


def end_with_named_parent() -> None:
    """The same with the process that the environment names, if it does. This process's own children are not meant."""
    if parent := os.environ.pop(PARENT, ""):
        end_with_parent(int(parent))


def usable_cores() -> frozenset[int]:
    """The processors on which this process may run, by their numbers."""
    return frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


def cores() -> int:
    return len(usable_cores())


def spawned_processes(workers: int | None = None) -> ProcessPoolExecutor:
    """A pool, of a process for each core by default, whose processes end with this one. Forking threads can hang."""
    workers = cores() if workers is None else workers
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=end_with_parent, initargs=(os.getpid(),))


def _look(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
