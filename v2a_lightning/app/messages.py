"""Messages at the terminal: an error as one line, and what Lightning and its parser say that nobody can act on."""

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from v2a_lightning.errors import V2AError

# As it was called.
PROGRAM = "v2a" if Path(sys.argv[0]).stem == "v2a" else "python -m v2a_lightning"

# What a table needs where the terminal's width is not known; one folded at 80 columns is hard to read and to parse.
PIPE_WIDTH = 120

NOTHING_TO_ACT_ON = (
    # Lightning's own use of torch.
    ".*isinstance\\(treespec",
    # A resumed run's folder is meant not to be empty, and a scored checkpoint's run to have another.
    "Checkpoint directory .* exists and is not empty",
    "The dirpath has changed from",
    # A checkpoint's weights are the averaged ones.
    "You're using the WeightAveraging callback, but loading a checkpoint outside",
    # Steps are counted over all epochs, and every epoch has its mean.
    "The number of training batches .* is smaller than the logging interval",
)


def quiet_lightning() -> None:
    """Leave out warnings that nobody can act on, and what Lightning recommends; the rest never meets a live bar."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_without_tips)
    for message in NOTHING_TO_ACT_ON:
        warnings.filterwarnings("ignore", message=message)
    for logger in map(logging.getLogger, ("lightning", "lightning.pytorch", "lightning.fabric")):
        own = [handler for handler in logger.handlers if type(handler) is logging.StreamHandler]
        logger.handlers = [_ToStandardError() if handler in own else handler for handler in logger.handlers]


class _ToStandardError(logging.Handler):
    """Writes to what standard error is at the time: while a bar is live, the place above it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def _without_tips(record: logging.LogRecord) -> bool:
    return "Tip:" not in record.getMessage()


# Lines of jsonargparse's messages that say how it tried, not what is wrong.
_NOISE = (
    "Does not validate against",
    "Subtypes:",
    "Errors:",
    "Given value type:",
    "Given value:",
    "- Expected a <class 'None",
)


def one_line(error: BaseException) -> str:
    """An error's message as a single line, without the steps a parser took to find it."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line.removeprefix("- ") for line in lines if line and not line.startswith(_NOISE)]
    message = " ".join(kept) or type(error).__name__
    if isinstance(error, V2AError):
        return message
    if type(error).__name__ != "ArgumentError":
        return f"{type(error).__name__}: {message}"
    return message.replace("Parser key", "key")


def print_table(table: Any, width: int = PIPE_WIDTH) -> None:
    """Print one of Rich's tables; into a pipe, with that many columns at most."""
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=width)
    console.print(table)
