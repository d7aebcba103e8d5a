"""What Lightning says that nobody can act on: left out, so that a run's own messages are seen."""

import logging
import warnings

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
