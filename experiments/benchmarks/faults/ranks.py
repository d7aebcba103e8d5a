"""Runs of two processes of which one is lost, fails by itself, or gets no clip."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from processes import Command, start
from results import Row, difference
from subjects import FIT, Bench, Subject

BOUND = 90.0
TWO = ("--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.use_distributed_sampler", "false")


def both(place: Path, *further: str, second: Callable[[], None] | None = None) -> list[Command]:
    """Start two processes of one training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = []
    for rank in (0, 1):
        environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_RANK": str(rank), "NODE_RANK": "0",
                       "WORLD_SIZE": "2", "RANK": str(rank), "GLOO_SOCKET_IFNAME": "lo",
                       "TORCHELASTIC_RUN_ID": "faults", "GROUP_RANK": "0", "LOCAL_WORLD_SIZE": "2"}  # fmt: skip
        arguments = [*FIT, *TWO, "--run.name", "fitted", "--ckpt_path", "last", *further]
        log = place.with_name(f"{place.name}-{rank}.log")
        before = second if rank else None
        started.append(start(arguments, place, log, environment=environment, before=before))
    return started


def ended(commands: list[Command]) -> bool:
    """Whether all end within the bound; whatever does not is killed."""
    until = time.monotonic() + BOUND
    codes = [command.wait(max(0.0, until - time.monotonic())) for command in commands]
    for command in commands:
        command.send(signal.SIGKILL)
        command.wait()
        command.left_running()
    return None not in codes


def ranks(bench: Bench) -> list[Row]:
    """Two processes on one computer."""
    subject = bench.subjects["fit"]
    place = bench.place(subject, "two-whole")
    began = time.monotonic()
    commands = both(place)
    if not ended(commands) or any(command.code for command in commands):
        text = commands[0].log.read_text()[-300:] + commands[1].log.read_text()[-300:]
        return [Row("two processes", 1, 0, {f"did not train: {text}": 1})]
    seconds, whole = time.monotonic() - began, subject.result(place)
    rows = [_killed(bench, subject, rank, seconds, whole) for rank in (1, 0)]
    return [*rows, _fails_alone(bench, subject, whole), _no_clip(bench, subject)]


def _killed(bench: Bench, subject: Subject, rank: int, seconds: float, whole: dict[str, object]) -> Row:
    note = f"the other ends within {BOUND:.0f} s, not with 0; resumed: equal"
    row = Row(f"process {rank} of two is killed", note=note)
    for share in (0.3, 0.6, 0.8):
        place = bench.place(subject, f"two-{rank}-{share}")
        commands = both(place)
        commands[rank].wait(share * seconds)
        commands[rank].send(signal.SIGKILL)
        problem = "" if ended(commands) else "the other hangs"
        if commands[1 - rank].code == 0:
            # It says that all is done: then it has to be.
            lost = difference(whole, subject.result(place))
            row.add(problem or (f"the other ends with 0: {lost}" if lost else ""))
        else:
            row.add(problem or _again(bench, subject, place, whole))
        shutil.rmtree(place)
    return row


def _again(bench: Bench, subject: Subject, place: Path, whole: dict[str, object]) -> str:
    commands = both(place)
    if not ended(commands) or any(command.code for command in commands):
        lines = [line for command in commands for line in command.errors()]
        return f"started again: {[command.code for command in commands]} {lines[-1][:100] if lines else ''}"
    return difference(whole, subject.result(place))


def _fails_alone(bench: Bench, subject: Subject, whole: dict[str, object]) -> Row:
    row = Row("one of two processes fails by itself", note="both end, its own line says which; resumed: equal")
    place = bench.place(subject, "two-alone")
    commands = both(place, second=_fail_in_training)
    problem = "" if ended(commands) else "the other hangs"
    if 0 in [command.code for command in commands]:
        problem = problem or f"exit codes {[command.code for command in commands]}"
    if not any("process 1: the test's own failure" in line for line in commands[1].errors()):
        problem = problem or "its line is lost"
    row.add(problem or _again(bench, subject, place, whole))
    shutil.rmtree(place)
    return row


def _fail_in_training() -> None:
    """In one process alone, the third step fails."""
    from v2a_lightning.errors import RunFailure
    from v2a_lightning.module import V2AMapper

    whole, taken = V2AMapper.training_step, []

    def failing(self: V2AMapper, *arguments: object) -> object:
        taken.append(1)
        if len(taken) == 3:
            raise RunFailure("the test's own failure")
        return whole(self, *arguments)  # type: ignore[arg-type]

    V2AMapper.training_step = failing  # type: ignore[method-assign, assignment]


def _no_clip(bench: Bench, subject: Subject) -> Row:
    row = Row("one of two processes gets no clip", note="both end, with 0 or with one line")
    for option in ("--data.splits.max_clips=1", "--data.splits.validation_clips=1"):
        place = bench.place(subject, "two-none")
        commands = both(place, option)
        if not ended(commands):
            row.add("hangs")
        else:
            row.add("" if all(one.code == 0 or not one.complaint() for one in commands) else commands[0].complaint())
        shutil.rmtree(place)
    return row


assert os.name == "posix"
