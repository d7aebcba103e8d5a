"""Which clips train, which are held out for validation, and which are tested."""

from dataclasses import dataclass

from v2a_lightning.errors import UsageError

TRAIN, VALIDATION, TEST = "train", "validation", "test"


@dataclass(frozen=True)
class Splits:
    """How a data set's clips are used.

    Args:
        validation_fraction: share of the training clips held out, by a hash of their ids; 0 for no validation.
        validation_clips: hold out that many instead.
        test_split: the split that is tested and predicted.
        max_clips: at most so many clips of each split, chosen by a hash of their ids.
        passes: how often an epoch goes through the training clips. More than once, a set of a few hundred clips has
            epochs as long as a large one's, each with its validation.
    """

    validation_fraction: float = 0.02
    validation_clips: int | None = None
    test_split: str = TEST
    max_clips: int | None = None
    passes: int = 1

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise UsageError(f"data.splits.passes is at least 1, not {self.passes}")
        if self.validation_clips is not None and self.validation_clips < 2:
            raise UsageError(
                f"data.splits.validation_clips is at least 2, not {self.validation_clips}: one clip has no other to be "
                "told from; for no validation, leave it out and set data.splits.validation_fraction to 0"
            )
        if not 0 <= self.validation_fraction < 1:
            raise UsageError(
                f"data.splits.validation_fraction is at least 0 and below 1, not {self.validation_fraction}"
            )

    @property
    def holds_out(self) -> bool:
        """Whether a part of the training clips is held out."""
        return bool(self.validation_fraction or self.validation_clips)
