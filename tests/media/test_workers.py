"""A file that hangs or crashes its decoder costs itself and nothing else."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from v2a_lightning.media import ClipRequest, DecodedClip, MediaError, WorkerPool, decode_clip, prefetch
from v2a_lightning.media.errors import PASSING
from v2a_lightning.specs import FrameSpec

from ..processes import all_end

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Chore:
    path: Path
    seconds: float = 0.0


def do(chore: Chore) -> str:
    """A file called crash ends its process, killed has it killed once, memory always, broken cannot be read."""
    if chore.path.name == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if chore.path.name == "memory" or (chore.path.name == "killed" and not chore.path.exists()):
        if chore.path.name == "killed":
            chore.path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if chore.path.name == "broken":
        raise MediaError(chore.path, "undecodable", "broken")
    time.sleep(chore.seconds)
    return chore.path.name


def test_outcomes_come_in_the_order_of_the_requests() -> None:
    chores = [Chore(Path(str(number)), 0.2 if number % 3 == 0 else 0.0) for number in range(12)]
    with WorkerPool(do, workers=2, timeout=20) as pool:
        assert list(pool.map(chores)) == [str(number) for number in range(12)]
        assert list(pool.map(chores[:2])) == ["0", "1"]


def test_a_hanging_file_is_killed_and_the_others_go_on() -> None:
    chores = [
        Chore(Path("a")),
        Chore(Path("slow"), 3600),
        Chore(Path("crash")),
        Chore(Path("broken")),
        Chore(Path("b")),
    ]
    begin = time.monotonic()
    with WorkerPool(do, workers=2, timeout=1.5) as pool:
        outcomes = list(pool.map(chores))
    assert time.monotonic() - begin < 60
    assert (outcomes[0], outcomes[4]) == ("a", "b")
    failures = [outcome for outcome in outcomes if isinstance(outcome, MediaError)]
    assert [(failure.path.name, failure.reason) for failure in failures] == [
        ("slow", "timeout"),
        ("crash", "undecodable"),
        ("broken", "undecodable"),
    ]


def test_a_file_whose_decoder_was_killed_is_tried_again_alone(tmp_path: Path) -> None:
    names = ["a", "killed", "b", "memory", "c"]
    with WorkerPool(do, workers=2, timeout=20) as pool:
        outcomes = list(pool.map([Chore(tmp_path / name, 0.1) for name in names]))
    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == ["a", "killed", "b", "c"]
    (failure,) = [outcome for outcome in outcomes if isinstance(outcome, MediaError)]
    assert (failure.path.name, failure.reason) == ("memory", "killed")
    assert failure.detail == "decoder ended by SIGKILL, twice; memory may have run out"
    assert failure.reason in PASSING


def test_a_worker_that_is_killed_while_it_rests_costs_nothing(tmp_path: Path) -> None:
    with WorkerPool(do, workers=1, timeout=20) as pool:
        assert list(pool.map([Chore(Path("a"))])) == ["a"]
        pool._workers[0].process.kill()
        pool._workers[0].process.wait()
        assert list(pool.map([Chore(Path("b")), Chore(Path("c"))])) == ["b", "c"]


def test_a_pool_that_is_closed_lets_go_of_who_waits() -> None:
    pool = WorkerPool(do, workers=1, timeout=3600)
    ahead = prefetch(pool.map([Chore(Path("a")), Chore(Path("slow"), 3600)]), 2, pool.close)
    assert next(ahead) == "a"
    begin = time.monotonic()
    ahead.close()
    assert time.monotonic() - begin < 10


PARENT = """
import sys, time
from pathlib import Path
from tests.media.test_workers import Chore, do
from v2a_lightning.media import WorkerPool
pool = WorkerPool(do, workers=2, timeout=3600)
outcomes = pool.map([Chore(Path("a")), Chore(Path("slow"), 3600), Chore(Path("slow"), 3600)])
next(outcomes)
print(*[worker.process.pid for worker in pool._workers], flush=True)
time.sleep(3600)
"""


def test_workers_end_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(children) == 2
    parent.kill()
    parent.wait()
    assert all_end(children)


def test_work_that_is_abandoned_does_not_come_back() -> None:
    with WorkerPool(do, workers=1, timeout=20) as pool:
        outcomes = pool.map([Chore(Path("a")), Chore(Path("slow"), 3600)])
        assert next(outcomes) == "a"
        outcomes.close()
        assert list(pool.map([Chore(Path("b"))])) == ["b"]


def test_clips_are_decoded_in_children(clip: Path, tmp_path: Path) -> None:
    requests = [ClipRequest(clip, FrameSpec(4, 2)), ClipRequest(tmp_path / "none.mp4", FrameSpec(4, 2))]
    with WorkerPool(decode_clip, workers=1, timeout=60) as pool:
        decoded, failure = pool.map(requests)
    assert isinstance(decoded, DecodedClip)
    assert decoded.frames is not None
    assert decoded.frames.shape == (8, 48, 64, 3)
    assert isinstance(failure, MediaError)
    assert failure.reason == "missing"


def test_prefetching_works_ahead_and_hands_on_errors() -> None:
    made = []

    def items() -> "list[int]":
        for number in range(4):
            made.append(number)
            yield number
        raise ValueError("the end")

    ahead = prefetch(items(), depth=2)
    assert next(ahead) == 0
    time.sleep(0.2)
    assert made == [0, 1, 2]
    assert [next(ahead), next(ahead), next(ahead)] == [1, 2, 3]
    with pytest.raises(ValueError, match="the end"):
        next(ahead)
