"""A device is the one that was asked for, or one line that says there is none."""

import pytest
import torch

from v2a_lightning.devices import choose_device
from v2a_lightning.errors import UsageError


def test_auto_takes_a_gpu_when_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert choose_device("auto") == expected
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize("wanted", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there_is_one_line(wanted: str) -> None:
    with pytest.raises(UsageError, match=f"--device {wanted}: not to be had here"):
        choose_device(wanted)
