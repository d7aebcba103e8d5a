"""What is said on standard error: a progress bar, and lines from the first process."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lightning.pytorch.utilities import rank_zero_only


@rank_zero_only
def say(line: str) -> None:
    """Print a line, in the first of several processes only. Unlike Lightning's own messages it is never left out."""
    print(line, file=sys.stderr)


@contextmanager
def progress(title: str, total: int, visible: bool = True) -> Iterator[Callable[[int], None]]:
    """Show how many of `total` things are done; yields a function that takes how many more are."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not visible) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.advance(task, done)
