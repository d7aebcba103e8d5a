"""Being told to end: SIGTERM, as schedulers and containers send it, becomes an exception that tidies up on its way."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# What a shell reports of a process that a signal ended.
TERMINATED, INTERRUPTED = 128 + signal.SIGTERM, 128 + signal.SIGINT


class Terminated(BaseException):
    """SIGTERM arrived. No Exception, so that nothing that handles failures takes it for one."""

    exit_code = TERMINATED


class Interrupted(Terminated):
    """Ctrl-C arrived where it is no KeyboardInterrupt: Lightning would end with 1 for that."""

    exit_code = INTERRUPTED


@contextmanager
def terminated_by_sigterm() -> Iterator[None]:
    """The first SIGTERM within the block raises `Terminated` in the main thread; a second ends the process.

    Processes that were forked from this one end at once.
    """
    owner = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() == owner:
            raise Terminated
        os.kill(os.getpid(), signal.SIGTERM)

    with _handled(handle, signal.SIGTERM):
        yield


@contextmanager
def interrupts_as_they_are() -> Iterator[None]:
    """Lightning leaves with SystemExit(1) when Ctrl-C arrives: give the KeyboardInterrupt back."""
    try:
        yield
    except SystemExit as end:
        raise end.__context__ if isinstance(end.__context__, KeyboardInterrupt) else end from None


@contextmanager
def in_one_piece() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C wait until the block is done."""
    arrived: list[int] = []
    try:
        with _handled(lambda number, _: arrived.append(number), signal.SIGTERM, signal.SIGINT):
            yield
    finally:
        for number in arrived[:1]:
            signal.raise_signal(number)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object], *numbers: int) -> Iterator[None]:
    """Outside the main thread, where Python takes no handlers, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, signal.SIG_DFL if one is None else one)
