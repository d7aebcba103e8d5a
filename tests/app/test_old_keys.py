"""Whoever gives a key of an earlier version is told today's name in the one line of the error."""

import pytest

from tests.conftest import EXPERIMENTS
from v2a_lightning.app.cli import main


@pytest.mark.parametrize(
    ("option", "today"),
    [
        ("--data.validation_clips=3", "validation_clips is called splits.validation_clips now"),
        ("--data.init_args.passes=3", "passes is called splits.passes now"),
        ("--data.num_workers=1", "num_workers is called decoding.num_workers now"),
        ("--data.clip.checkpoint=x", "clip is called encoder now"),
    ],
)
def test_an_old_key_is_answered_with_the_new_one(option: str, today: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", str(EXPERIMENTS / "quickstart.yaml"), option]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert today in line


def test_a_key_that_never_was_has_no_other_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", str(EXPERIMENTS / "quickstart.yaml"), "--data.colour=red"]) == 2
    assert " now" not in capsys.readouterr().err
