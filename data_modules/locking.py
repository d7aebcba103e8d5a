"""One job at a time writes to a store; the processes of that job do it together, and who reads need not wait."""

import errno
import os
import socket
import sys
import time
from typing import IO

from v2a_lightning.data_modules.folders import Folder
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
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Wait until nobody writes, and keep others from it; RunFailure when the folder cannot be written to."""
        if (file := self._lock(shared=False)) is not None:
            with refusals(file.name):
                file.truncate(0)
                file.write(f"process {os.getpid()} of {socket.gethostname()}")
                file.flush()

    def share(self) -> None:
        """Let the other processes of this job write too; each of them shares as well."""
        self._lock(shared=True)

    def release(self) -> None:
        """Write no more."""
        file, self._file = self._file, None
        if file is not None:
            # What could not be written before is tried again.
            with refusals(file.name):
                file.close()

    def __enter__(self) -> "StoreLock":
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _lock(self, shared: bool) -> IO[str] | None:
        """The locked file; None where there is no lock."""
        path = self.folder.local_path
        if path is None:
            return None
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._file = file = self._file or open(path / NAME, "a+", encoding="utf-8")  # noqa: SIM115 (until release)
        except OSError as error:
            raise RunFailure(f"{path} cannot be written to: {error.strerror}") from error
        try:
            if not _try_lock(file, shared):
                file.seek(0)
                holder = file.read().strip() or "another process"
                say(f"{self.folder.url}: {holder} writes to this store; waiting for it")
                while not _try_lock(file, shared):
                    time.sleep(LOOK_SECONDS)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                raise
            say(f"{self.folder.url}: this disk has no locks ({error.strerror}); let one job at a time write there")
            return None
        return file


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
