"""A run that was killed and resumed ends with the very weights of one that was not."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.app.test_fit import checkpoint, columns, only_run, write
from tests.resumed_run import checkpoints, fit
from v2a_lightning.app.cli import main
from v2a_lightning.module import V2AMapper


@pytest.fixture(scope="module")
def uninterrupted() -> V2AMapper:
    return fit()


def assert_same_weights(mapper: V2AMapper, other: V2AMapper) -> None:
    for name, weight in mapper.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name]), name


def test_killed_in_the_middle_of_an_epoch(tmp_path: Path, uninterrupted: V2AMapper, quick_python: Path) -> None:
    command = [str(quick_python), "-m", "tests.resumed_run", str(tmp_path)]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
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


def test_ckpt_path_last_goes_on_in_the_middle_of_an_epoch(
    tiny_config: dict[str, Any], tmp_path: Path, quick_python: Path
) -> None:
    saver = "lightning.pytorch.callbacks.ModelCheckpoint"
    last = {"filename": "last", "every_n_train_steps": 4, "enable_version_counter": False}
    final = {"filename": "final", "save_on_train_epoch_end": True, "enable_version_counter": False}
    tiny_config["trainer"]["callbacks"] = [{"class_path": saver, "init_args": options} for options in (last, final)]
    tiny_config |= {"evaluation": None}
    tiny_config["run"] |= {"wandb": "disabled"}
    whole = write(tiny_config, tmp_path, "whole.yaml")
    # Seventeen clips in batches of four: step 8 is the third of the second epoch's five.
    tiny_config["trainer"]["callbacks"].append({"class_path": "tests.resumed_run.Kill", "init_args": {"step": 9}})
    killed = write(tiny_config, tmp_path, "killed.yaml")

    command = [str(quick_python), "-m", "v2a_lightning", "fit", "--config", killed, "--run.experiment=parts"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == -signal.SIGKILL, told.stderr
    run = only_run(tiny_config, "parts")
    assert checkpoint(run / "checkpoints" / "last.ckpt")["global_step"] == 8
    assert main(["fit", "--config", whole, "--run.experiment=parts", "--ckpt_path=last"]) == 0
    assert main(["fit", "--config", whole, "--run.experiment=whole"]) == 0

    resumed, expected = (
        checkpoint(only_run(tiny_config, name) / "checkpoints" / "final.ckpt") for name in ("parts", "whole")
    )
    assert resumed["global_step"] == expected["global_step"] == 10
    for key in ("state_dict", "current_model_state"):
        assert resumed[key].keys() == expected[key].keys()
        assert all(torch.equal(resumed[key][name], expected[key][name]) for name in expected[key])
    steps = [columns(only_run(tiny_config, name))["train/loss_step"] for name in ("parts", "whole")]
    assert steps[0] == steps[1]
