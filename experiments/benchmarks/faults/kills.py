"""A command is killed at random moments and started again until it is done: the result is that of no disturbance."""

import random
import shutil
import signal

from results import Row
from subjects import Bench, Subject

# One result is compared after so many kills in a row, each of what the one before left.
IN_A_ROW = 3


def kill(bench: Bench, name: str, number: signal.Signals, kills: int, seed: int = 0) -> Row:
    """So many kills by one signal."""
    subject, moments = bench.subjects[name], random.Random(f"{name} {number} {seed}")
    row = Row(f"{number.name} in {name}", note=f"equal after each {IN_A_ROW} kills: {subject.compared}")
    attempts = 0
    while row.tried < kills and attempts < 2 * kills:
        times = min(IN_A_ROW, kills - row.tried)
        killed, problem = _chain(bench, subject, number, times, moments, f"{name}-{number.name}-{attempts}")
        row.add(problem, killed)
        attempts += 1
    return row


def _chain(
    bench: Bench, subject: Subject, number: signal.Signals, times: int, moments: random.Random, name: str
) -> tuple[int, str]:
    """Kills that hit, and what was lost by them."""
    place = bench.place(subject, name)
    seconds, hit, problem, finished = bench.seconds[subject.name], 0, "", False
    while hit < times and not finished:
        command = bench.start(subject, place)
        if command.wait(moments.uniform(0.05, seconds)) is not None:
            finished = True
            break
        command.send(number)
        hit += 1
        code = command.wait(60.0)
        if code is None:
            problem = problem or "still running a minute later"
            command.send(signal.SIGKILL)
            command.wait()
        finished = code == 0
        if left := command.left_running():
            problem = problem or f"left running: {left[0][:60]}"
    # A command that says it is done is taken at its word.
    lost = bench.compare(subject, place) if finished and command.code == 0 else bench.finish(subject, place)
    shutil.rmtree(place, ignore_errors=True)
    return hit, lost or problem
