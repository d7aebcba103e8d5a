"""A run that was killed and resumed ends with the very weights of one that was not."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.resumed_run import checkpoints, fit
from v2a_lightning.module import V2AMapper


@pytest.fixture(scope="module")
def uninterrupted() -> V2AMapper:
    return fit()


def assert_same_weights(mapper: V2AMapper, other: V2AMapper) -> None:
    for name, weight in mapper.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name]), name


def test_killed_in_the_middle_of_an_epoch(tmp_path: Path, uninterrupted: V2AMapper) -> None:
    killed = subprocess.run(
        [sys.executable, "-m", "tests.resumed_run", str(tmp_path)], capture_output=True, check=False
    )
    assert killed.returncode == -9, killed.stderr.decode()
    assert {path.name for path in tmp_path.glob("*.ckpt")} == {"step=4.ckpt", "step=8.ckpt"}
    for workers in (0, 1):
        resumed = fit(ckpt_path=tmp_path / "step=8.ckpt", workers=workers)
        assert_same_weights(resumed, uninterrupted)


@pytest.mark.parametrize("step", [6, 12])
def test_stopped_at_the_end_of_an_epoch(tmp_path: Path, uninterrupted: V2AMapper, step: int) -> None:
    fit(checkpoints(tmp_path), max_epochs=step // 6)
    resumed = fit(ckpt_path=tmp_path / f"step={step}.ckpt")
    assert_same_weights(resumed, uninterrupted)


def test_stopped_after_an_epoch_that_left_batches_over(tmp_path: Path) -> None:
    whole = fit(limit_train_batches=4)
    fit(checkpoints(tmp_path), limit_train_batches=4, max_epochs=2)
    assert_same_weights(fit(ckpt_path=tmp_path / "step=8.ckpt", limit_train_batches=4), whole)


def test_gradients_accumulated_over_batches(tmp_path: Path) -> None:
    whole = fit(accumulate_grad_batches=2)
    fit(checkpoints(tmp_path, every_n_train_steps=2), accumulate_grad_batches=2, max_epochs=1)
    resumed = fit(ckpt_path=tmp_path / "step=2.ckpt", accumulate_grad_batches=2)
    assert_same_weights(resumed, whole)
