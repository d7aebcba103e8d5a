"""A disk that is full and a folder that nobody may write to, at each step of what a command writes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import Command
from results import Row
from subjects import Bench, Subject, log_of

# How much of what a command makes the disk has room for.
SHARES = (0.0, 0.25, 0.5, 0.75, 0.95)
NOBODY = 65534
ROOM = 512 * 2**20
ONLY_ROOT = "not tried: only root may mount a file system"


@contextmanager
def mounted(place: Path) -> Iterator[None]:
    """A file system of its own at a folder, in memory."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "faults", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    """Change the file system at a folder."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def used(place: Path) -> int:
    """Bytes that are taken in the file system at a folder."""
    found = os.statvfs(place)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def full(bench: Bench, name: str) -> Row:
    """The disk is full after some share of what the command makes."""
    subject = bench.subjects[name]
    row = Row(f"full disk in {name}", note="one line that names a path, nothing half; room made: as undisturbed")
    if os.geteuid():
        return Row(row.fault, note=ONLY_ROOT)
    place = bench.folder / f"full-{name}"
    sizes = _sizes(bench, subject, place)
    for share in SHARES:
        with mounted(place):
            bench.furnish(subject, place)
            remount(place, f"size={sizes[0] + int(share * (sizes[1] - sizes[0]))}")
            command = bench.start(subject, place)
            command.wait()
            remount(place, f"size={ROOM}")
            row.add(_outcome(bench, subject, place, command))
    shutil.rmtree(place, ignore_errors=True)
    return row


def _sizes(bench: Bench, subject: Subject, place: Path) -> tuple[int, int]:
    """Bytes before a command and after it."""
    with mounted(place):
        bench.furnish(subject, place)
        before = used(place)
        bench.start(subject, place).wait()
        return before, used(place)


def read_only(bench: Bench, name: str) -> Row:
    """The folder cannot be written to: the file system's doing, and another user's."""
    subject = bench.subjects[name]
    row = Row(f"read-only folder in {name}", note="one line that names a path; then writable: as undisturbed")
    if os.geteuid():
        return Row(row.fault, note=ONLY_ROOT)
    place = bench.folder / f"read-only-{name}"
    with mounted(place):
        bench.furnish(subject, place)
        remount(place, "ro")
        command = bench.start(subject, place)
        command.wait()
        remount(place, "rw")
        row.add(_outcome(bench, subject, place, command))
    shutil.rmtree(place, ignore_errors=True)
    if not _nobody_runs_python():
        row.note += "; another user's not tried: nobody may run this Python"
        return row
    place = bench.place(subject, f"foreign-{name}")
    log_of(place).touch()
    log_of(place).chmod(0o666)
    command = bench.start(subject, place, before=become_nobody)
    command.wait()
    row.add(_outcome(bench, subject, place, command))
    shutil.rmtree(place, ignore_errors=True)
    return row


def become_nobody() -> None:
    """Rights that are not root's."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    os.environ["HOME"] = "/nonexistent"


def _nobody_runs_python() -> bool:
    """Commands start processes of their own; below root's home nobody may do that."""
    try:
        subprocess.run([sys.executable, "-c", ""], user=NOBODY, group=NOBODY, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _outcome(bench: Bench, subject: Subject, place: Path, command: Command) -> str:
    """What was lost, after the command was refused and the reason is gone."""
    left = command.left_running()
    if command.code == 0:
        return bench.compare(subject, place)
    return command.complaint(named="/") or bench.finish(subject, place) or (left[0][:60] if left else "")
