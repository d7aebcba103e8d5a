"""Messages at the terminal: an error as one line, and what Lightning and its parser say that nobody can act on."""

import logging
import re
import warnings

from v2a_lightning.errors import V2AError

PROGRAM = "python -m v2a_lightning"

NOTHING_TO_ACT_ON = (
    # Lightning's own use of torch.
    ".*isinstance\\(treespec",
    # A resumed run's folder is meant not to be empty, and a scored checkpoint's run to have another.
    "Checkpoint directory .* exists and is not empty",
    "The dirpath has changed from",
    # A checkpoint's weights are the averaged ones.
    "You're using the WeightAveraging callback, but loading a checkpoint outside",
)


def quiet_lightning() -> None:
    """Leave out warnings that nobody can act on, and what Lightning recommends."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_without_tips)
    for message in NOTHING_TO_ACT_ON:
        warnings.filterwarnings("ignore", message=message)


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


# Keys and options of earlier versions, and a key that is not accepted in jsonargparse's words.
_SPLITS = ("validation_fraction", "validation_clips", "test_split", "max_clips", "passes")
_DECODING = ("num_workers", "timeout", "encoder_batch_size", "keep_still", "backend")
NEW_NAMES = {
    **{name: f"splits.{name}" for name in _SPLITS},
    **{name: f"decoding.{name}" for name in _DECODING},
    "audioldm": "generator",
    "extras": "metrics",
    "clip": "encoder",
}
_REFUSED_KEY = re.compile(rf"(?:unrecognized arguments: --|Option ')(?:init_args\.)?({'|'.join(NEW_NAMES)})\b")


def one_line(error: BaseException) -> str:
    """An error's message as a single line, without the steps a parser took to find it."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line.removeprefix("- ") for line in lines if line and not line.startswith(_NOISE)]
    message = " ".join(kept) or type(error).__name__
    if isinstance(error, V2AError):
        return message
    if type(error).__name__ != "ArgumentError":
        return f"{type(error).__name__}: {message}"
    old = _REFUSED_KEY.search(message)
    return message.replace("Parser key", "key") + (f"; {old[1]} is called {NEW_NAMES[old[1]]} now" if old else "")
