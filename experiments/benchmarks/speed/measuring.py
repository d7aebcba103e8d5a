"""What a row of the table is, and how its figures are taken: variants in turn, and whole processes."""

import os
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Clock = Literal["wall", "cpu"]
PROJECT = Path(__file__).parents[3]
SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Row:
    """One figure of the benchmark.

    Args:
        what: what is measured.
        against: what it is measured against; "" for a figure that stands alone.
        value: median over the rounds.
        unit: "x" for a ratio, else as "s" or "GB".
        goal: what is to be reached; None for a figure without one.
        better: which side of the goal is met.
        repeats: rounds.
        spread: lowest and highest round.
        note: a sentence for the reader.
    """

    what: str
    against: str
    value: float
    unit: str
    goal: float | None
    better: Literal["higher", "lower"]
    repeats: int
    spread: tuple[float, float]
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: on the clock, and of processors, those of child processes included."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Usage:
    """What a whole process took.

    Args:
        wall: seconds on the clock.
        cpu: seconds of processors, its child processes included.
        peak_rss: bytes, largest resident set of the process itself.
        pss: bytes, largest sum of proportional sets (shared pages divided by who shares them) over it and its children.
    """

    wall: float
    cpu: float
    peak_rss: int
    pss: int


def alternate(
    variants: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 1
) -> dict[str, list[Timing]]:
    """Call every variant once a round, every second round in reverse order, so that none always comes first."""
    for _ in range(warmup):
        for variant in variants.values():
            variant()
    timings: dict[str, list[Timing]] = {name: [] for name in variants}
    for index in range(rounds):
        for name in list(variants)[:: -1 if index % 2 else 1]:
            timings[name].append(_timed(variants[name]))
    return timings


def ratio(
    a: Sequence[Timing], b: Sequence[Timing], clock: Clock = "wall"
) -> tuple[float, tuple[float, float]]:
    """How many times as long as b a takes: median, lowest and highest over the rounds, each round on its own."""
    ratios = [getattr(one, clock) / getattr(other, clock) for one, other in zip(a, b, strict=True)]
    return statistics.median(ratios), (min(ratios), max(ratios))


def median(timings: Sequence[Timing], clock: Clock = "wall") -> float:
    """Median seconds of a variant."""
    return statistics.median(getattr(timing, clock) for timing in timings)


def times_faster(
    what: str, against: str, ours: Sequence[Timing], theirs: Sequence[Timing], goal: float | None, note: str = ""
) -> Row:
    """The row that says how many times as fast we are by the clock; the note adds the ratio of processor time."""
    value, spread = ratio(theirs, ours)
    processor = f"{ratio(theirs, ours, 'cpu')[0]:.3g}x by processor time"
    note = f"{note}; {processor}" if note else processor
    return Row(what, against, value, "x", goal, "higher", len(ours), spread, note)


def measured_process(work: Sequence[str] | Callable[[], object], check: bool = True) -> Usage:
    """Run a command, or a callable that can be pickled, in a process of its own, from the project's folder.

    Raises:
        RuntimeError: when it fails, unless `check` is False; with the end of what it wrote to standard error.
    """
    command = [sys.executable, "-c", "import pickle, sys; pickle.load(sys.stdin.buffer)()"] if callable(work) else work
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        if callable(work):
            given.write(pickle.dumps(work))
            given.seek(0)
        before, start = _children_seconds(), time.perf_counter()
        process = subprocess.Popen(
            list(command),
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": path},
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        peak_rss, pss = _watch(process)
        wall, cpu = time.perf_counter() - start, _children_seconds() - before
        if check and process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{command} ended with {process.returncode}: {errors.read()[-2000:].decode()}")
    return Usage(wall, cpu, peak_rss, pss)


def _timed(call: Callable[[], object]) -> Timing:
    cpu, wall = _processor_seconds(), time.perf_counter()
    call()
    return Timing(time.perf_counter() - wall, _processor_seconds() - cpu)


def _processor_seconds() -> float:
    """Processor time so far of this process, of the children that have ended, and of those that live."""
    return time.process_time() + _children_seconds() + sum(map(_live_seconds, _descendants(os.getpid())))


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _live_seconds(pid: int) -> float:
    """Processor time of another process, and of its children that have ended."""
    try:
        # The clock that glibc's clock_getcpuclockid names; /proc counts in hundredths of a second.
        own = time.clock_gettime((~pid << 3) | 2)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return 0.0
    return own + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _descendants(pid: int) -> list[int]:
    """Live child processes, and theirs; none where the system has no /proc."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in path.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found


def _watch(process: "subprocess.Popen[bytes]") -> tuple[int, int]:
    """Wait for the end: largest resident set of the process, and largest sum of proportional sets with its children.

    What the kernel reports at a process's end includes the memory of whoever started it, so both are sampled.
    """
    peak_rss = pss = 0
    while process.poll() is None:
        peak_rss = max(peak_rss, _kilobytes(f"/proc/{process.pid}/status", "VmHWM:"))
        family = [process.pid, *_descendants(process.pid)]
        pss = max(pss, sum(_kilobytes(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in family))
        time.sleep(SAMPLE_SECONDS)
    return 1024 * peak_rss, 1024 * pss


def _kilobytes(path: str, key: str) -> int:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)
