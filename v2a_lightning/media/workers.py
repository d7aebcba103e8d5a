"""Decoding in processes that can be killed: a file that hangs or crashes a decoder costs itself and nothing else.

The processes are plain children on a pipe and not `multiprocessing` ones, so that they can be had inside a DataLoader's
workers, which may have no such children, and in scripts without a main guard.
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
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, TypeVar, cast

from v2a_lightning.errors import RunFailure
from v2a_lightning.media.errors import MediaError


class HasPath(Protocol):
    """A piece of work on one file."""

    @property
    def path(self) -> Path: ...


Request = TypeVar("Request", bound=HasPath)
Result = TypeVar("Result")
Item = TypeVar("Item")

READY = "ready"
# On a machine that has much else to do, starting Python and reading FFmpeg's libraries takes its time.
START_SECONDS = 600


@dataclass
class _Task(Generic[Request]):
    index: int
    request: Request
    deadline: float


class _Worker(Generic[Request, Result]):
    """One child process; `task` is what it works on."""

    def __init__(self, function: Callable[[Request], Result]) -> None:
        self.connection, child = Pipe()
        code = f"from v2a_lightning.media.workers import serve; serve({child.fileno()})"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], pass_fds=[child.fileno()], stdin=subprocess.DEVNULL, env=environment
        )
        child.close()
        self.task: _Task[Request] | None = None
        self._ready = False
        self.connection.send(function)

    def wait_until_ready(self) -> None:
        """Raise RunFailure when the child could not even start: that says nothing about a file."""
        if self._ready:
            return
        try:
            if not self.connection.poll(START_SECONDS):
                raise RunFailure(f"a decode worker did not start within {START_SECONDS} s")
            self._ready = self.connection.recv() == READY
        except (EOFError, ConnectionResetError) as error:
            raise RunFailure("a decode worker could not start; its own message stands above") from error

    def receive(self) -> Result | MediaError:
        """The outcome of the task; a child that died is a file that cannot be decoded."""
        assert self.task is not None
        try:
            outcome: Result | MediaError = self.connection.recv()
        except (EOFError, ConnectionResetError, pickle.UnpicklingError):
            self.stop()
            return MediaError(self.task.request.path, "undecodable", f"decoder ended with {self.process.returncode}")
        return outcome

    def stop(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()


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
        self._workers: list[_Worker[Request, Result]] = [_Worker(function) for _ in range(workers)]

    def __enter__(self) -> "WorkerPool[Request, Result]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.stop()
        self._workers = []

    def map(self, requests: Iterable[Request]) -> Iterator[Result | MediaError]:
        """One outcome per request, in the order of the requests, whatever order they finish in."""
        try:
            yield from self._map(iter(requests))
        finally:
            self._abandon()

    def _map(self, source: Iterator[Request]) -> Iterator[Result | MediaError]:
        finished: dict[int, Result | MediaError] = {}
        sent = received = 0
        while True:
            # A slow file holds its successors back; this many of them may wait decoded in memory.
            room = 2 * len(self._workers) - (sent - received)
            for worker, request in zip(self._idle()[: max(0, room)], source, strict=False):
                self._start(worker, sent, request)
                sent += 1
            if received in finished:
                yield finished.pop(received)
                received += 1
            elif sent > received:
                finished.update(self._collect())
            else:
                return

    def _abandon(self) -> None:
        """Replace the workers that are busy with what nobody waits for any more."""
        for worker in [worker for worker in self._workers if worker.task is not None]:
            worker.stop()
            self._workers[self._workers.index(worker)] = _Worker(self.function)

    def _idle(self) -> list["_Worker[Request, Result]"]:
        return [worker for worker in self._workers if worker.task is None]

    def _start(self, worker: "_Worker[Request, Result]", index: int, request: Request) -> None:
        worker.wait_until_ready()
        worker.task = _Task(index, request, time.monotonic() + self.timeout)
        worker.connection.send(request)

    def _collect(self) -> dict[int, Result | MediaError]:
        """Wait until at least one worker is done, or has to be."""
        busy = {worker.connection: worker for worker in self._workers if worker.task is not None}
        first_deadline = min(worker.task.deadline for worker in busy.values() if worker.task is not None)
        answered = wait(list(busy), timeout=max(0.0, first_deadline - time.monotonic()))
        outcomes = {}
        for connection, worker in busy.items():
            assert worker.task is not None
            if connection in answered:
                outcomes[worker.task.index] = worker.receive()
            elif time.monotonic() >= worker.task.deadline:
                worker.stop()
                outcomes[worker.task.index] = MediaError(worker.task.request.path, "timeout", f"{self.timeout:g} s")
            else:
                continue
            worker.task = None
            if worker.process.poll() is not None:
                self._workers[self._workers.index(worker)] = _Worker(self.function)
        return outcomes


def serve(descriptor: int) -> None:
    """What a child does: take requests from its pipe and send outcomes back until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    function = connection.recv()
    connection.send(READY)
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            outcome = function(request)
        except MediaError as error:
            outcome = error
        connection.send(outcome)


def prefetch(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """Iterate in a thread, so that up to `depth` items are made while the caller works on the one before them."""
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
