"""Commands in forks of one process that has imported everything: a start costs a tenth of a second, not ten.

A fork runs `v2a_lightning.app.cli.main` in a session of its own, so that what it leaves running can be found and ended.
"""

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LIMIT_SECONDS = 300.0
# How long what a command has started may outlive it.
GRACE_SECONDS = 10.0
UNDECLARED = "Run it again with --debug"


def warm(names: Sequence[str]) -> None:
    """Import what a command was seen to import, so that its next forks need not."""
    for name in names:
        # Whatever a module lacks when it is imported out of turn, the command will have it in turn.
        with suppress(Exception):
            importlib.import_module(name)


@dataclass
class Command:
    """One command that is running.

    Args:
        pid: of its process, which is its session's too.
        log: what it prints.
        code: how it ended, below 0 the signal; None while it runs.
    """

    pid: int
    log: Path
    code: int | None = None

    def wait(self, seconds: float = LIMIT_SECONDS) -> int | None:
        """The exit code, or None when it is still running after so many seconds."""
        until = time.monotonic() + seconds
        while self.code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= until:
                return None
            else:
                time.sleep(0.01)
        return self.code

    def send(self, number: int) -> None:
        """Send a signal to the command's own process, and to no child of it."""
        if self.code is None:
            os.kill(self.pid, number)

    def left_running(self) -> list[str]:
        """What it had started and is running after it has ended and some seconds have passed; that is ended here."""
        until = time.monotonic() + GRACE_SECONDS
        while (left := in_session(self.pid)) and time.monotonic() < until:
            time.sleep(0.05)
        names = [name for name in map(command_line, left) if name]
        for pid in left:
            end(pid)
        return names

    def went_on(self) -> bool:
        """Whether it did all that could be done: 1 without an error says that something was left out."""
        return self.code == 0 or (self.code == 1 and not self.errors())

    def errors(self) -> list[str]:
        """The lines that say what went wrong."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if line.startswith("error: ")]

    def complaint(self, *, named: str = "") -> str:
        """What is wrong with how it failed: "" when it said one line of its own, with `named` in it."""
        text, lines = self.log.read_text(errors="replace"), self.errors()
        if self.code is None:
            return "hangs"
        if self.code == 0:
            return "went wrong with exit code 0"
        if UNDECLARED in text:
            return f"undeclared: {lines[-1][7:107] if lines else 'no line'}"
        if len(lines) != 1:
            return f"{len(lines)} lines of error, exit code {self.code}"
        return "" if named in lines[0] else f"does not name {named}: {lines[0][7:107]}"


def start(
    arguments: Sequence[str],
    folder: Path,
    log: Path,
    environment: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
    modules: Path | None = None,
) -> Command:
    """Run `python -m v2a_lightning ARGUMENTS` in a folder.

    Args:
        arguments: of the command.
        folder: where it runs.
        log: where what it prints is added.
        environment: further variables.
        before: called in the fork before the command, such as to become another user.
        modules: where to write the names of what the command imported.
    """
    pid = os.fork()
    if pid:
        return Command(pid, log)
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ.update(environment or {})
        code = _main(arguments, before)
        if modules is not None:
            modules.write_text(json.dumps(list(sys.modules)))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise AssertionError


def _main(arguments: Sequence[str], before: Callable[[], None] | None) -> int:
    """As `python -m v2a_lightning` would, for multiprocessing's and Lightning's children too."""
    import v2a_lightning.__main__ as entry
    from v2a_lightning.app.cli import main

    sys.modules["__main__"] = entry
    sys.argv = [str(entry.__file__), *arguments]
    if before is not None:
        before()
    return main(list(arguments))


def run(arguments: Sequence[str], folder: Path, log: Path, **options: object) -> Command:
    """A command to its end."""
    command = start(arguments, folder, log, **options)  # type: ignore[arg-type]
    if command.wait() is None:
        command.send(signal.SIGKILL)
        command.left_running()
    return command


def in_session(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            state, _, _, owner = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(owner) == session and state not in "ZX":
            found.append(int(name))
    return found


def command_line(pid: int) -> str:
    """What a process runs; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def end(pid: int) -> None:
    """Kill a process that may have ended by itself."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
