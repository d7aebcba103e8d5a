"""One job at a time writes to a store."""

import os
import socket
import sys
import time
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import pytest

from v2a_lightning.data_modules import locking
from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.data_modules.locking import StoreLock
from v2a_lightning.data_modules.shares import Share
from v2a_lightning.errors import RunFailure

from ..disks import no_file_above


def test_a_full_disk_is_one_line_with_the_lock_and_lets_others_in(tmp_path: Path) -> None:
    lock = StoreLock(Folder(str(tmp_path)))
    with no_file_above(0):
        with pytest.raises(RunFailure, match=r"/\.lock cannot be written: File too large"):
            lock.take()
        with pytest.raises(RunFailure, match=r"/\.lock cannot be written: File too large"):
            lock.release()
    with StoreLock(Folder(str(tmp_path))):
        assert (tmp_path / ".lock").read_text().startswith("process ")


def hold(folder: str, how: str, held: Connection) -> None:
    lock = StoreLock(Folder(folder))
    lock.take()
    if how == "share":
        lock.share()
    held.send("held")
    time.sleep(3600)


@pytest.mark.parametrize("how", ["take", "share"])
def test_a_second_job_waits_for_the_first_however_that_ends(
    tmp_path: Path, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    said, (ours, theirs), fork = "", Pipe(), get_context("fork")
    first, second = (fork.Process(target=hold, args=(str(tmp_path), how, theirs)) for _ in range(2))
    first.start()
    assert ours.recv() == "held"
    second.start()
    while "waiting" not in said:
        time.sleep(0.05)
        said += capfd.readouterr().err
    assert f"{tmp_path}: process {first.pid} of {socket.gethostname()} writes to this store; waiting for it" in said
    assert not ours.poll(0.3)
    first.kill()
    first.join()
    assert ours.recv() == "held"
    second.kill()
    second.join()


def test_on_windows_the_first_process_holds_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Exception | None] = [PermissionError(13, "Permission denied"), None]
    asked = []

    def lock(descriptor: int, mode: int, count: int) -> None:
        asked.append((os.lseek(descriptor, 0, os.SEEK_CUR), mode, count))
        if (answer := answers.pop(0)) is not None:
            raise answer

    monkeypatch.setattr(locking, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=lock, LK_NBLCK=2))
    with StoreLock(Folder(str(tmp_path))) as first:
        first.share()
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} of ")
    assert asked == [(locking.LOCKED_BYTE, 2, 1)] * 2, "once refused, then given, and kept while it is shared"


def test_the_processes_of_one_job_share_a_store(tmp_path: Path) -> None:
    first, second = StoreLock(Folder(str(tmp_path))), StoreLock(Folder(str(tmp_path)))
    first.take()
    first.share()
    second.share()
    first.release()
    second.release()
    with StoreLock(Folder("memory://bucket/none")) as nothing:
        nothing.share()


def test_shards_write_side_by_side_and_the_first_may_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = Folder(str(tmp_path))
    first, second, third = (StoreLock(folder, Share(index, 3)) for index in range(3))
    assert first.take()
    first.share()
    assert not second.take()
    second.share()

    def stop(seconds: float) -> None:
        raise TimeoutError

    monkeypatch.setattr(locking.time, "sleep", stop)
    for other, holder in (
        (StoreLock(folder, Share(0, 3)), f"process {os.getpid()} of"),
        (StoreLock(folder, Share(0, 4)), "a job of 3 shards"),
        (StoreLock(folder), "a job of 3 shards"),
    ):
        with pytest.raises(TimeoutError):
            other.take()
        other.release()
        assert f"{tmp_path}: {holder}" in capfd.readouterr().err
    first.release()
    second.release()
    assert third.take()
    third.release()
    assert StoreLock(Folder("memory://bucket/none")).take()
    assert not StoreLock(Folder("memory://bucket/none"), Share(0, 3)).take(), "others may be writing"
