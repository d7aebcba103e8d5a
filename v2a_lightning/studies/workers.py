"""Processes that run commands: one that runs many, so that libraries are imported once, or a fresh one for each.

A run in either is the same `main(arguments)`. The reused process, `v2a_lightning.app.worker`, gets a command as a line
of JSON on its standard input and gives its exit code on its standard output.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from v2a_lightning.files import refusals
from v2a_lightning.processes import PARENT

ERROR = "error: "
GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Args:
        code: its exit code; below 0, the signal that killed it.
        seconds: how long it took.
        reason: its error message.
    """

    code: int
    seconds: float
    reason: str = ""


class FreshProcess:
    """Runs each command in a process of its own, as a trainer of several devices needs it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self._process: subprocess.Popen[str] | None = None

    def run(self, arguments: Sequence[str], log: Path) -> Outcome:
        """Run a command to its end, what it prints going to `log`."""
        began = time.monotonic()
        with refusals(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("")
        code = self._run(arguments, log)
        return Outcome(code, time.monotonic() - began, reason_of(code, log))

    def close(self) -> None:
        """Tell the process to end; a training ends its step and saves what it has first."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _run(self, arguments: Sequence[str], log: Path) -> int:
        with open(log, "wb") as file:
            streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
            return self._start("v2a_lightning", *arguments, **streams).wait()

    def _start(self, *command: str, **streams: Any) -> subprocess.Popen[str]:
        owned = {**self.environment, PARENT: str(os.getpid())}
        self._process = subprocess.Popen([sys.executable, "-m", *command], env=owned, text=True, **streams)
        return self._process


class ReusedProcess(FreshProcess):
    """Runs every command in one process; when a command kills it, the next one gets a new one."""

    def _run(self, arguments: Sequence[str], log: Path) -> int:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._start("v2a_lightning.app.worker", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"arguments": list(arguments), "log": str(log)}) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        return int(answer) if answer else process.wait() or 1

    def close(self) -> None:
        """End the process, whatever it is doing; it waits for commands until its input ends."""
        if self._process is None or self._process.poll() is not None:
            return
        super().close()
        try:
            self._process.communicate(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def environment(threads: int) -> dict[str, str]:
    """This process's environment, with a share of the processor's cores."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def reason_of(code: int, log: Path) -> str:
    """The error message of a failed command, from what it printed."""
    if code == 0:
        return ""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    if errors:
        return errors[-1]
    ended = f"ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"{ended}; its last line: {lines[-1]}" if lines else ended
