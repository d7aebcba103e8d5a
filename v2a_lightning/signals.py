"""Being told to end: SIGTERM, as schedulers and containers send it, becomes an exception that tidies up on its way."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# What a shell reports of a process that a signal ended: 128 and the signal's number.
TERMINATED = 128 + signal.SIGTERM
INTERRUPTED = 128 + signal.SIGINT


class Terminated(BaseException):
    """SIGTERM arrived. No Exception, so that nothing that handles failures takes it for one."""

    exit_code = TERMINATED


class Interrupted(Terminated):
    """Ctrl-C arrived where it is no KeyboardInterrupt: Lightning would end with 1 for that."""

    exit_code = INTERRUPTED


@contextmanager
def terminated_by_sigterm() -> Iterator[None]:
    """While the block runs, the first SIGTERM raises `Terminated` in the main thread; a second ends the process.

    Processes that were forked from this one end at once, as they would without it. Outside the main thread, where
    Python takes no handlers, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != owner:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        raise Terminated

    before: Any = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


@contextmanager
def interrupts_as_they_are() -> Iterator[None]:
    """Lightning leaves with SystemExit(1) when Ctrl-C arrives: give the KeyboardInterrupt back."""
    try:
        yield
    except SystemExit as end:
        raise end.__context__ if isinstance(end.__context__, KeyboardInterrupt) else end from None


@contextmanager
def in_one_piece() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C wait until the block is done, where stopping half way would leave something wrong."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before: dict[int, Any] = {
        number: signal.signal(number, lambda number, _: arrived.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        for number in arrived[:1]:
            signal.raise_signal(number)
