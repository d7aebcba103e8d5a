"""One job at a time writes to a store; the processes of that job do it together, and who reads need not wait."""

import errno
import fcntl
import os
import socket
from typing import IO

from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.errors import RunFailure
from v2a_lightning.files import refusals
from v2a_lightning.progress import say

NAME = ".lock"


class StoreLock:
    """The right to write to a store. The system takes it back when a process ends, however it ends.

    The first process of a job takes the store for itself, looks what is to be done, and then shares it with the
    other processes of its job, each of which holds it until it is done. A second job waits until the last one is.
    Behind a URL there is no lock: two jobs at once do the same work twice there.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Wait until nobody writes, and keep others from it; RunFailure when the folder cannot be written to."""
        if (file := self._lock(fcntl.LOCK_EX)) is not None:
            with refusals(file.name):
                file.truncate(0)
                file.write(f"process {os.getpid()} of {socket.gethostname()}")
                file.flush()

    def share(self) -> None:
        """Let the other processes of this job write too; each of them shares as well."""
        self._lock(fcntl.LOCK_SH)

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

    def _lock(self, kind: int) -> IO[str] | None:
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
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"{self.folder.url}: {file.read().strip() or 'another process'} writes to this store; waiting for it")
            fcntl.flock(file, kind)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                raise
            say(f"{self.folder.url}: this disk has no locks ({error.strerror}); let one job at a time write there")
            return None
        return file
