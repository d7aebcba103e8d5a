"""Bars in a terminal of two widths and in a pipe: messages stand above them, and none is lost."""

import os
import pty
import struct
import subprocess
import sys
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pyte
import pytest

SCRIPT = str(Path(__file__).with_name("fit_with_messages.py"))
MESSAGES = [
    *(f"printed {number} in epoch {epoch}" for epoch in range(2) for number in range(3)),
    *(f"{how} in epoch {epoch}" for epoch in range(2) for how in ("logged", "said", "warned")),
    "`Trainer.fit` stopped: `max_epochs=2` reached.",
    "logged in teardown",
]
ENDING = ["scores: 1", "page: report.html", "next: generate"]


def on_terminal(columns: int, command: list[str]) -> tuple[list[str], str]:
    """The lines of a terminal of that width after a command, and everything that was written to it."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=_environment())
    os.close(theirs)
    screen, written = pyte.Screen(columns, 60), b""
    stream = pyte.ByteStream(screen)
    while content := _read(ours):
        stream.feed(content)
        written += content
    os.close(ours)
    assert process.wait() == 0, written.decode()
    return [line.rstrip() for line in screen.display if line.strip()], written.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # Linux's way to say that the other end is closed
        return b""


@pytest.mark.parametrize("columns", [80, 120])
def test_messages_stand_above_the_bars(columns: int, quick_python: Path) -> None:
    lines, written = on_terminal(columns, [str(quick_python), SCRIPT, "1000"])
    assert lines[-3:] == ENDING
    for message in MESSAGES:
        assert lines.count(message) == 1, message
    assert sum(line.startswith("Epoch 1/1") for line in lines) == 1, "the bar that stays is there once"
    assert "v_num" not in written
    for title in ("outer work", "inner work"):
        assert title in written
        assert not any(title in line for line in lines), "gone when it is done"
    assert "2/3" in written


def test_nothing_is_drawn_into_a_pipe(quick_python: Path) -> None:
    command = [str(quick_python), SCRIPT, "0.2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=_environment())
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout.splitlines()[-3:] == ENDING
    lines = (done.stdout + done.stderr).splitlines()
    for message in MESSAGES:
        assert lines.count(message) == 1, message
    counted = [line for line in done.stderr.splitlines() if line.startswith("outer work: ")]
    assert counted
    assert all(line.partition(",")[0].endswith(" of 3") for line in counted)


def _environment() -> dict[str, str]:
    return {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(sys.path)}
