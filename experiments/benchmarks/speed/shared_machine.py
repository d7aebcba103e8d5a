"""The quickstart's training step on a machine whose cores are all busy with something else: half of a core's time is
left for each thread, and a thread that waits by spinning takes that from the others. The project's commands let threads
sleep instead, but for a few microseconds (`OMP_WAIT_POLICY=PASSIVE`, `GOMP_SPINCOUNT=3000`), unless one sets it
otherwise; the last row is how torch comes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from experiments.benchmarks.speed.measuring import Row, alternate, ratio
from experiments.benchmarks.speed.peers import Peer

STEP = "experiments.benchmarks.speed.peer_step"
GOAL = 3.0
COMPUTE = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"


def rows(quick: bool) -> Iterator[Row]:
    """The topic's rows."""
    rounds, size = (1, {"batch": 2, "steps": 1}) if quick else (10, {"batch": 64, "steps": 3})
    policies: dict[str, str | None] = {"asleep": "PASSIVE", "as torch comes": None}
    for policy, value in policies.items():
        environment = {"OMP_WAIT_POLICY": value, "GOMP_SPINCOUNT": value and "3000"}
        with Peer(STEP, environment=environment) as peer, other_work() as during:

            def step(peer: Peer = peer) -> None:
                peer("train", **size)

            def busy(step: Callable[[], None] = step, during: Callable[..., None] = during) -> None:
                during(step)

            timings = alternate({"alone": step, "busy": busy}, rounds)
        slower, spread = ratio(timings["busy"], timings["alone"])
        what = f"quickstart's step, all cores busy elsewhere, threads waiting {policy}"
        yield Row(what, "the same alone", slower, "x", None if value is None else GOAL, "lower", rounds, spread)


@contextmanager
def other_work() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Calls something while as many processes compute as there are cores; they stand still otherwise."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = [subprocess.Popen([sys.executable, "-c", COMPUTE]) for _ in range(count)]

    def to_all(number: int) -> None:
        for process in processes:
            process.send_signal(number)

    def during(call: Callable[[], None]) -> None:
        to_all(signal.SIGCONT)
        call()
        to_all(signal.SIGSTOP)

    to_all(signal.SIGSTOP)
    try:
        yield during
    finally:
        to_all(signal.SIGKILL)
        for process in processes:
            process.wait()
