"""Running a command as a person would, with its time and the memory of all its processes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COSTS = ROOT / "docs" / "COSTS.md"
INTERVAL_SECONDS = 0.2


@dataclass(frozen=True)
class Measured:
    """A command that has ended."""

    name: str
    code: int
    seconds: float
    peak_bytes: int
    output: str


def run(name: str, arguments: Sequence[str], folder: Path, **variables: str) -> Measured:
    """Run `python arguments...` in a folder.

    Memory is the largest sum, over the command and all its descendants, of what each holds alone and its
    part of what it shares with others; looked at five times a second.
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), **variables}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    output, _ = process.communicate()
    watcher.join()
    return Measured(name, process.returncode, time.monotonic() - begun, peak[0], output)


def table(measured: Sequence[Measured]) -> str:
    """Markdown."""
    lines = ["| step | seconds | peak memory, GB |", "| --- | ---: | ---: |"]
    return "\n".join(
        [*lines, *(f"| {one.name} | {one.seconds:.0f} | {one.peak_bytes / 1e9:.1f} |" for one in measured)]
    )


def _watch(process: "subprocess.Popen[str]", peak: list[int]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(_held(pid) for pid in _descendants(process.pid)))
        time.sleep(INTERVAL_SECONDS)


def _descendants(root: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):  # it ended meanwhile
                continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
