"""Processes that run commands: one that runs many, so that libraries are imported once, or a fresh one for each.

A run in either is the same `main(arguments)`. The worker is told a command as a line of JSON on its standard input and
answers with a line on its standard output; everything the command prints goes to the run's own file.
"""

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from v2a_lightning.files import refusals
from v2a_lightning.processes import PARENT, end_with_named_parent

ERROR = "error: "
GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Args:
        code: its exit code; below 0, the signal that killed it.
        seconds: how long it took.
        reason: what it said went wrong.
    """

    code: int
    seconds: float
    reason: str = ""


class Launcher(Protocol):
    """What runs one command after another."""

    def run(self, arguments: Sequence[str], log: Path) -> Outcome: ...
    def close(self) -> None: ...


class FreshProcess:
    """Runs each command in a process of its own, as a trainer of several devices needs it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, arguments: Sequence[str], log: Path) -> Outcome:
        """Run a command to its end, what it prints going to `log`."""
        began = time.monotonic()
        _empty(log)
        command = [sys.executable, "-m", "v2a_lightning", *arguments]
        owned = {**self._environment, PARENT: str(os.getpid())}
        with open(log, "wb") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=owned
            )
            code = self._process.wait()
        return Outcome(code, time.monotonic() - began, reason_of(code, log))

    def close(self) -> None:
        """End what is running."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()


class ReusedProcess:
    """Runs every command in one process; when a command kills it, the next one gets a new one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._process: subprocess.Popen[str] | None = None

    def run(self, arguments: Sequence[str], log: Path) -> Outcome:
        """Run a command to its end, what it prints going to `log`."""
        began = time.monotonic()
        _empty(log)
        process = self._alive()
        answer = self._ask(process, json.dumps({"arguments": list(arguments), "log": str(log)}))
        if answer:
            code = int(json.loads(answer)["code"])
        else:
            code, self._process = process.wait(), None
            code = code or 1
        return Outcome(code, time.monotonic() - began, reason_of(code, log))

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            # A training that is told to end ends its step first.
            self._process.communicate(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _alive(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "v2a_lightning.studies.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**self._environment, PARENT: str(os.getpid())},
            )
        return self._process

    @staticmethod
    def _ask(process: subprocess.Popen[str], question: str) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(question + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return ""
        return process.stdout.readline()


def _empty(log: Path) -> None:
    with refusals(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")


def cores() -> int:
    """How many of the processor's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(threads: int) -> dict[str, str]:
    """This process's environment, with a share of the processor's cores."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def reason_of(code: int, log: Path) -> str:
    """What a failed command said went wrong, from what it printed."""
    if code == 0:
        return ""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    said = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    if said:
        return said[-1]
    ended = f"ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"{ended}; its last line: {lines[-1]}" if lines else ended


def serve(questions: IO[str], answers: IO[str]) -> None:
    """Run commands until there are no more."""
    from v2a_lightning.app.cli import main

    for line in questions:
        question = json.loads(line)
        with open(question["log"], "ab", buffering=0) as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        code = main(question["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        answers.write(json.dumps({"code": code}) + "\n")
        answers.flush()


if __name__ == "__main__":
    end_with_named_parent()
    # What commands print is sent elsewhere, so answers keep the first standard output for themselves.
    with os.fdopen(os.dup(1), "w") as own_output:
        serve(sys.stdin, own_output)
