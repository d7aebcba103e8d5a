"""One job at a time writes to a store; the processes of that job do it together, and who reads need not wait."""

import errno
import os
import socket
import sys
import time
from typing import IO

from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.data_modules.shares import Share
from v2a_lightning.errors import RunFailure
from v2a_lightning.files import refusals
from v2a_lightning.progress import say

NAME = ".lock"
LOOK_SECONDS = 0.2
# On Windows a locked byte can be read by nobody else: one that is behind what the file says of its holder.
LOCKED_BYTE = 2**30


class StoreLock:
    """The right to write to a store. The system takes it back when a process ends, however it ends.

    The first process of a job takes the store for itself, looks what is to be done, and then shares it with the
    other processes of its job, each of which holds it until it is done. A second job waits until the last one is.
    Behind a URL there is no lock: two jobs at once do the same work twice there. Windows has no locks that are shared:
    there the first process alone holds the store, until its own share is done.

    Args:
        folder: the store.
        shard: of jobs that embed a part each: they share the store without a group, and each has a lock of its own.
    """

    def __init__(self, folder: Folder, shard: Share | None = None) -> None:
        self.folder = folder
        self._job = f"process {os.getpid()} of {socket.gethostname()}"
        self._part: StoreLock | None = None
        self._name = NAME
        if shard is not None:
            self._job = f"a job of {shard.count} shards"
            self._part = StoreLock(folder)
            self._part._name = f"{NAME}-{shard.index + 1}-of-{shard.count}"
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """Wait until nobody writes, and keep others from it; RunFailure when the folder cannot be written to.

        False when it is not this job's alone, since other shards write, or may write behind a URL.
        """
        if self._part is not None:
            self._part.take()
        said = False
        while (file := self._opened()) is not None:
            if locked := self._try(file, shared=False):
                with refusals(file.name):
                    file.truncate(0)
                    file.write(self._job)
                    file.flush()
                return True
            joins = self._part is not None and _signature(file) == self._job
            if locked is None or (joins and self._try(file, shared=True)):
                break
            said = said or self._say_waiting(file)
            time.sleep(LOOK_SECONDS)
        return self._part is None

    def share(self) -> None:
        """Let the other processes of this job write too; each of them shares as well."""
        said = False
        while (file := self._opened()) is not None and self._try(file, shared=True) is False:
            said = said or self._say_waiting(file)
            time.sleep(LOOK_SECONDS)

    def release(self) -> None:
        """Write no more."""
        file, self._file = self._file, None
        if file is not None:
            # What could not be written before is tried again.
            with refusals(file.name):
                file.close()
        if self._part is not None:
            self._part.release()

    def __enter__(self) -> "StoreLock":
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _opened(self) -> IO[str] | None:
        """The file that is locked; None behind a URL."""
        path = self.folder.local_path
        if path is None:
            return None
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._file = self._file or open(path / self._name, "a+", encoding="utf-8")  # noqa: SIM115 (until release)
        except OSError as error:
            raise RunFailure(f"{path} cannot be written to: {error.strerror}") from error
        return self._file

    def _try(self, file: IO[str], shared: bool) -> bool | None:
        """Lock the file; None, after a line, on a disk that has no locks."""
        try:
            return _try_lock(file, shared)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                raise
            say(f"{self.folder.url}: this disk has no locks ({error.strerror}); let one job at a time write there")
            return None

    def _say_waiting(self, file: IO[str]) -> bool:
        say(f"{self.folder.url}: {_signature(file) or 'another process'} writes to this store; waiting for it")
        return True


def _signature(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip()


def _try_lock(file: IO[str], shared: bool) -> bool:
    """Lock a file, or change its lock; False while another process has it."""
    try:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        elif not shared:
            import msvcrt

            os.lseek(file.fileno(), LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    return True
