"""What Lightning says that nobody can act on is left out; everything else is heard."""

import logging
import warnings

import pytest

from v2a_lightning.app.messages import quiet_lightning


def test_recommendations_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    quiet_lightning()
    quiet_lightning()  # A process may run several commands.
    logger.propagate, before = True, logger.propagate
    try:
        with caplog.at_level(logging.INFO, logger=logger.name):
            logger.info("Tip: buy this")
            logger.info("GPU available: False")
    finally:
        logger.propagate = before
    assert caplog.messages == ["GPU available: False"]


def test_other_warnings_are_heard() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quiet_lightning()
        warnings.warn("Checkpoint directory /runs/a exists and is not empty.", stacklevel=1)
        warnings.warn("the clip a_000001 has no sound", stacklevel=1)
    assert [str(one.message) for one in caught] == ["the clip a_000001 has no sound"]
