"""How figures of the benchmark are taken."""

import functools
import subprocess
import sys
import time
from typing import Literal

import pytest

from experiments.benchmarks.speed.measuring import Row, Timing, alternate, measured_process, ratio, times_faster

MEGABYTES = 64


def row(value: float, goal: float | None, better: Literal["higher", "lower"]) -> Row:
    return Row("step", "peer", value, "x", goal, better, 1, (value, value))


@pytest.mark.parametrize(
    ("value", "goal", "better", "met"),
    [
        (27.0, 27.0, "higher", True),
        (26.9, 27.0, "higher", False),
        (0.6, 0.6, "lower", True),
        (0.61, 0.6, "lower", False),
    ],
)
def test_a_goal_is_met_from_its_own_side(
    value: float, goal: float, better: Literal["higher", "lower"], met: bool
) -> None:
    assert row(value, goal, better).met is met


def test_a_row_without_a_goal_is_neither_met_nor_missed() -> None:
    assert row(1.0, None, "higher").met is None


def test_every_variant_is_called_once_a_round_and_none_is_always_first() -> None:
    calls: list[str] = []
    variants = {name: functools.partial(calls.append, name) for name in "ab"}
    timings = alternate(variants, rounds=2, warmup=1)
    assert calls == ["a", "b", "a", "b", "b", "a"]
    assert {name: len(found) for name, found in timings.items()} == {"a": 2, "b": 2}


def test_processor_time_is_that_of_children_too_while_they_live_and_when_they_have_ended() -> None:
    def compute() -> None:
        start = time.process_time()
        while time.process_time() - start < 0.1:
            pass

    # It says when it is done, and lives on until it is sent a line.
    loop = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", loop], stdin=-1, stdout=-1, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        living = alternate({"waits": child.stdout.readline}, rounds=1, warmup=0)["waits"][0]
        child.stdin.write("\n")
    ended = alternate({"runs": lambda: subprocess.run([sys.executable, "-c", loop], input="\n", text=True)}, 1, 0)
    assert 0.1 < living.cpu < 5
    assert 0.3 < ended["runs"][0].cpu < 5
    assert 0.1 <= alternate({"computes": compute}, 1, 0)["computes"][0].cpu < 0.3


def test_ratios_are_taken_round_by_round() -> None:
    slow = [Timing(2.0, 9.0), Timing(40.0, 9.0), Timing(6.0, 9.0)]
    fast = [Timing(1.0, 3.0), Timing(10.0, 3.0), Timing(2.0, 3.0)]
    assert ratio(slow, fast) == (3.0, (2.0, 4.0))
    assert ratio(slow, fast, "cpu") == (3.0, (3.0, 3.0))
    faster = times_faster("step", "peer", fast, slow, 2.5, "a note")
    assert (faster.value, faster.spread, faster.met, faster.repeats) == (3.0, (2.0, 4.0), True, 3)
    assert faster.note == "a note; 3x by processor time"


def allocate(megabytes: int) -> None:
    """Touches so much memory, then computes a while."""
    held = bytearray(b"x" * (megabytes << 20))
    start = time.process_time()
    while time.process_time() - start < 0.3:
        pass
    assert held


def test_a_processs_memory_is_its_own_and_not_that_of_who_started_it() -> None:
    ballast = bytearray(b"x" * (512 << 20))
    usage = measured_process(functools.partial(allocate, MEGABYTES))
    assert ballast
    assert MEGABYTES << 20 < usage.peak_rss < (MEGABYTES + 300) << 20
    assert MEGABYTES << 20 < usage.pss <= usage.peak_rss * 1.1
    assert 0.3 < usage.cpu <= usage.wall * 4


def test_memory_of_a_processs_children_counts_in_proportion() -> None:
    child = f"held = b'x' * ({MEGABYTES} << 20); import time; time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    usage = measured_process([sys.executable, "-c", parent])
    assert usage.peak_rss < MEGABYTES << 20 < usage.pss


def test_a_process_that_fails_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3: .*no figure"):
        measured_process([sys.executable, "-c", "import sys; print('no figure', file=sys.stderr); sys.exit(3)"])
    assert measured_process([sys.executable, "-c", "raise SystemExit(3)"], check=False).wall > 0
