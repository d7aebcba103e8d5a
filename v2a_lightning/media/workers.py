"""Decoding in processes that can be killed: a file that hangs or crashes a decoder costs itself and nothing else.

A decoder that is killed from outside, as the system does when memory runs out, says nothing about its file. The file is
tried again while no other one is decoded, and is `killed` when that ends the same way.

The processes are plain children on a pipe and not `multiprocessing` ones, so that they can be had inside a DataLoader's
workers, which may have no such children, and in scripts without a main guard. (pebble.ProcessPool has neither, and
took half as long again for frames: everything goes through one pipe there.)
"""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any, Generic, Protocol, TypeVar, cast

from v2a_lightning.errors import RunFailure
from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.remote import MediaPath
from v2a_lightning.processes import end_with_parent

if sys.platform == "win32":
    from multiprocessing.connection import PipeConnection as Connection
else:
    from multiprocessing.connection import Connection


class HasPath(Protocol):
    """A request about one file."""

    @property
    def path(self) -> MediaPath: ...


Request = TypeVar("Request", bound=HasPath)
Result = TypeVar("Result")
Item = TypeVar("Item")

READY = "ready"
# On a machine that has much else to do, starting Python and reading FFmpeg's libraries takes its time.
START_SECONDS = 600
# A process that waits for a dead network disk does not end before the disk answers; it is not waited for.
END_SECONDS = 5.0
# Signals that a process is sent, in contrast to those for what it did itself, such as reading where no memory is.
SENT = {one for one in signal.Signals if one.name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")}


@dataclass
class _Task(Generic[Request]):
    index: int
    request: Request
    tries: int = 0
    deadline: float = 0.0


class _Worker(Generic[Request, Result]):
    """One child process; `task` is what it works on."""

    def __init__(self, function: Callable[[Request], Result]) -> None:
        self.connection, child = Pipe()
        code = f"from v2a_lightning.media.workers import serve; serve({child.fileno()}, {os.getpid()})"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.DEVNULL, env=environment, **_passing(child.fileno())
        )
        child.close()
        self.task: _Task[Request] | None = None
        self._ready = False
        self.connection.send(function)

    def start(self, task: _Task[Request], timeout: float) -> None:
        """Begin with a task; a RunFailure when the child could not even start: that says nothing about a file."""
        if not self._ready:
            try:
                if not self.connection.poll(START_SECONDS):
                    raise RunFailure(f"a decode worker did not start within {START_SECONDS} s")
                self._ready = self.connection.recv() == READY
            except (EOFError, ConnectionResetError) as error:
                raise RunFailure("a decode worker could not start; its own message stands above") from error
        task.tries, task.deadline = task.tries + 1, time.monotonic() + timeout
        self.task = task
        # Of a child that ends just now, the outcome says so.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(task.request)

    def outcome(self, task: _Task[Request]) -> Result | MediaError | None:
        """The outcome: undecodable where the child crashed, None, for another try, where it was killed."""
        try:
            return cast("Result | MediaError", self.connection.recv())
        except (EOFError, OSError, pickle.UnpicklingError):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(END_SECONDS)
            self.stop()
        code = self.process.returncode or 0
        if -code not in SENT:
            return MediaError(task.request.path, "undecodable", f"decoder ended with {code}")
        if task.tries == 1:
            return None
        name = signal.Signals(-code).name
        return MediaError(task.request.path, "killed", f"decoder ended by {name}, twice; memory may have run out")

    def stop(self) -> None:
        self.connection.close()
        self.process.kill()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)


class WorkerPool(Generic[Request, Result]):
    """Runs `function(request)` in child processes, with a time limit for each request.

    Args:
        function: a picklable function of one request; what it raises as MediaError becomes the outcome.
        workers: number of processes.
        timeout: seconds one request may take before its process is killed and the outcome is a `timeout`.
    """

    def __init__(self, function: Callable[[Request], Result], workers: int, timeout: float) -> None:
        if workers < 1 or timeout <= 0:
            raise ValueError(f"at least one worker and a positive timeout, not {workers} and {timeout}")
        self.function = function
        self.timeout = timeout
        self._closed = False
        self._again: deque[_Task[Request]] = deque()
        self._workers: list[_Worker[Request, Result]] = [_Worker(function) for _ in range(workers)]

    def __enter__(self) -> "WorkerPool[Request, Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes. May be called from another thread: whoever waits for an outcome gets none."""
        self._closed = True
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.stop()

    def map(self, requests: Iterable[Request]) -> Iterator[Result | MediaError]:
        """One outcome for each request, in the order of the requests."""
        try:
            yield from self._map(iter(requests))
        finally:
            # Nobody waits any more for what is being decoded.
            self._again.clear()
            for worker in [worker for worker in self._workers if worker.task is not None]:
                worker.stop()
                self._replace(worker)

    def _map(self, source: Iterator[Request]) -> Iterator[Result | MediaError]:
        finished: dict[int, Result | MediaError] = {}
        sent = received = 0
        while True:
            idle = [worker for worker in self._workers if worker.task is None]
            if self._again:
                # A file whose decoder was killed is given all the memory there is: it runs alone.
                if len(idle) == len(self._workers):
                    self._start(idle[0], self._again.popleft())
            else:
                # A slow file holds its successors back; this many of them may wait decoded in memory.
                room = 2 * len(self._workers) - (sent - received)
                for worker, request in zip(idle[: max(0, room)], source, strict=False):
                    self._start(worker, _Task(sent, request))
                    sent += 1
            if received in finished:
                yield finished.pop(received)
                received += 1
            elif sent > received:
                finished.update(self._collect())
            else:
                return

    def _replace(self, worker: "_Worker[Request, Result]") -> "_Worker[Request, Result]":
        new = _Worker(self.function)
        self._workers[self._workers.index(worker)] = new
        return new

    def _start(self, worker: "_Worker[Request, Result]", task: _Task[Request]) -> None:
        if worker.process.poll() is not None:
            # Killed while it had nothing to do.
            worker.stop()
            worker = self._replace(worker)
        worker.start(task, self.timeout)

    def _collect(self) -> dict[int, Result | MediaError]:
        """Wait until at least one worker is done, or has to be."""
        busy = {worker: worker.task for worker in self._workers if worker.task is not None}
        first_deadline = min(task.deadline for task in busy.values())
        done = wait([worker.connection for worker in busy], timeout=max(0.0, first_deadline - time.monotonic()))
        outcomes = {}
        for worker, task in busy.items():
            if self._closed:
                raise RunFailure("decoding was stopped")
            outcome: Result | MediaError | None
            if worker.connection in done:
                outcome = worker.outcome(task)
            elif time.monotonic() >= task.deadline:
                worker.stop()
                outcome = MediaError(task.request.path, "timeout", f"{self.timeout:g} s")
            else:
                continue
            worker.task = None
            if outcome is None:
                self._again.append(task)
            else:
                outcomes[task.index] = outcome
            if worker.connection.closed:
                self._replace(worker)
        return outcomes


def _passing(descriptor: int) -> dict[str, Any]:
    """Popen's options for a child that has this end of a pipe."""
    if sys.platform != "win32":
        return {"pass_fds": [descriptor]}
    os.set_handle_inheritable(descriptor, True)
    return {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": [descriptor]})}


def serve(descriptor: int, parent: int) -> None:
    """What a child does: take requests from its pipe and send outcomes back until the pipe closes."""
    end_with_parent(parent)
    # A terminal and a scheduler send these to all processes; when to end, the parent decides.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    connection = Connection(descriptor)
    function = connection.recv()
    connection.send(READY)
    while True:
        try:
            request = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            outcome = function(request)
        except MediaError as error:
            outcome = error
        except MemoryError:
            outcome = MediaError(request.path, "killed", "memory ran out")
        try:
            connection.send(outcome)
        except (BrokenPipeError, ConnectionResetError):
            return


def prefetch(items: Iterable[Item], depth: int, stop: Callable[[], None] = lambda: None) -> Iterator[Item]:
    """Iterate in a thread, `depth` items ahead of the caller; `stop` ends the making of an item that nobody wants."""
    iterator = iter(items)
    end = object()
    with ThreadPoolExecutor(1) as executor:
        coming = deque(executor.submit(next, iterator, end) for _ in range(depth))
        try:
            while (item := coming.popleft().result()) is not end:
                coming.append(executor.submit(next, iterator, end))
                yield cast(Item, item)
        finally:
            for future in coming:
                future.cancel()
            stop()
