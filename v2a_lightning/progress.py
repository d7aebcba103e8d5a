"""What the terminal shows of work that takes a while: how much of it is done, and the time left."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Protocol

from rich import get_console
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from v2a_lightning.ranks import is_first

# Nothing is shown of what takes less.
PATIENCE_SECONDS = 2.0
REFRESH_SECONDS = 0.1
# Where nothing can be drawn, as in a pipe or the log of a job, there is a line this often.
LINE_SECONDS = 60.0
# The time left goes by what was done within the last of these.
MEMORY_SECONDS = 600.0


class Advance(Protocol):
    """Takes how many more are done, and how much of the next ones is."""

    def __call__(self, more: int, begun: float = 0.0) -> None: ...


def say(line: str) -> None:
    """Print a line, in the first of several processes only. Unlike Lightning's own messages it is never left out."""
    if is_first():
        print(line, file=sys.stderr)


@contextmanager
def progress(title: str, total: int | None, *, visible: bool = True, in_bytes: bool = False) -> Iterator[Advance]:
    """Show how many of `total` things are done, in the first of several processes; yields what takes how many more are.

    The bar stands below others that are live on the same terminal, Lightning's among them, and below whatever is
    printed meanwhile. It is gone at the end.
    """
    console = _console()
    visible, is_drawn = visible and is_first(), console.is_interactive
    counts = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(),)
    bar = _LateBar(
        TextColumn("{task.description}"),
        BarColumn(24),
        *counts,
        TimeRemainingColumn(),
        console=console,
        disable=not (visible and is_drawn),
        transient=True,
        # What goes into a file must not go to the terminal with the bar.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
        speed_estimate_period=MEMORY_SECONDS,
    )
    done, latest = 0, time.monotonic()
    with bar:
        bar.add_task(title, total=total)
        [task] = bar.tasks

        def advance(more: int, begun: float = 0.0) -> None:
            nonlocal done, latest
            done, now = done + more, time.monotonic()
            is_due = now - latest >= (REFRESH_SECONDS if is_drawn else LINE_SECONDS)
            latest = now if is_due else latest
            # Below another bar it is drawn by nobody else.
            bar.update(task.id, completed=done + begun, refresh=is_due)
            if is_due and visible and not is_drawn:
                left = "" if task.time_remaining is None else f", {timedelta(seconds=int(task.time_remaining))} left"
                say(f"{title}: {done} of {total or '?'}{left}")

        try:
            yield advance
        finally:
            # A bar above it goes on to show what it was given last.
            bar.update(task.id, visible=False, refresh=True)


class _LateBar(Progress):
    """Shown from its third second on."""

    def get_renderables(self) -> Iterable[RenderableType]:
        if shown := [one for one in self.tasks if one.visible and (one.elapsed or 0.0) >= PATIENCE_SECONDS]:
            yield self.make_tasks_table(shown)


def _console() -> Console:
    """Standard output's where it is a terminal: Lightning's bar is there, and bars of one console share it."""
    return get_console() if get_console().is_terminal else _standard_error()


@cache
def _standard_error() -> Console:
    return Console(stderr=True)
