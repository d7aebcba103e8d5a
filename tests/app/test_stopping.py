"""A run that is told to end saves where it is, says so by its exit code, and goes on as if nothing had been."""

import csv
import os
import signal
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from tests.app.test_fit import checkpoint, only_run, write
from tests.resumed_run import checkpoints, fit
from tests.test_resume import assert_same_weights
from v2a_lightning.app.cli import main
from v2a_lightning.app.loggers import MetricsFile
from v2a_lightning.app.stopping import StopOnSignal
from v2a_lightning.module import V2AMapper
from v2a_lightning.signals import Interrupted, Terminated


class Tell(Callback):
    """Sends this process a signal: behind a training step, or in a validation of the epoch in which it is taken."""

    def __init__(self, step: int, number: int = int(signal.SIGTERM), where: str = "train") -> None:
        self.step = step
        self.number = number
        self.where = where

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self.where == "train" and trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self.where == "validation" and trainer.global_step >= self.step:
            os.kill(os.getpid(), self.number)


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[V2AMapper, list[tuple[int, float]]]:
    """A run that is left alone, and the losses of its validations."""
    seen: list[tuple[int, float]] = []
    return fit(Validations(seen)), seen


@pytest.mark.parametrize(
    ("step", "where", "saved"),
    [(8, "train", 8), (6, "train", 6), (11, "train", 11), (12, "validation", 12), (18, "validation", 18)],
)
def test_what_goes_on_ends_with_the_weights_of_a_run_that_was_left_alone(
    tmp_path: Path, uninterrupted: tuple[V2AMapper, list[tuple[int, float]]], step: int, where: str, saved: int
) -> None:
    mapper, validations = uninterrupted
    path = tmp_path / "last.ckpt"
    seen: list[tuple[int, float]] = []
    with pytest.raises(Terminated):
        fit(Validations(seen), Tell(step, where=where), StopOnSignal(path))
    assert checkpoint(path)["global_step"] == saved
    resumed = fit(Validations(seen), StopOnSignal(tmp_path / "unused.ckpt"), ckpt_path=path)
    assert_same_weights(resumed, mapper)
    assert seen == validations, "each validation once, and none twice"


def logged(folder: Path) -> dict[str, list[str]]:
    """The values of a run's metrics.csv by name and step, and the epochs of each step."""
    found: dict[str, list[str]] = {}
    with open(folder / "metrics.csv", newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value != "" and name != "step":
                    found.setdefault(f"{name} at {row['step']}", []).append(value)
    return {key: sorted(set(values)) if "epoch" in key else values for key, values in found.items()}


# Six steps an epoch: beside a row, at one, before the first one, at an epoch's end, and in its validation.
MOMENTS = [(2, "train"), (3, "train"), (9, "train"), (12, "train"), (6, "validation"), (12, "validation")]


@pytest.mark.parametrize("options", [{"log_every_n_steps": 1}, {"log_every_n_steps": 4, "val_check_interval": 0.5}])
def test_metrics_csv_is_that_of_a_run_that_was_left_alone(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = tmp_path / "runs" / "whole"
    fit(logger=MetricsFile(whole), **options)
    expected = logged(whole)
    assert expected.keys() > {"train/loss at 5", "train/loss at 11", "val/loss at 17", "train/gradient_norm at 3"}
    for (step, where), number in zip(MOMENTS, cycle([signal.SIGTERM, signal.SIGINT]), strict=False):
        run = tmp_path / "runs" / f"{where}-{step}"
        path = run / "last.ckpt"
        with pytest.raises(Terminated):
            fit(Tell(step, int(number), where), StopOnSignal(path), logger=MetricsFile(run), **options)
        fit(StopOnSignal(None), logger=MetricsFile(run), ckpt_path=path, **options)
        assert logged(run) == expected, run.name


def test_metrics_csv_of_a_run_that_was_killed_behind_a_checkpoint(tmp_path: Path) -> None:
    whole, killed = tmp_path / "runs" / "whole", tmp_path / "runs" / "killed"
    options = {"log_every_n_steps": 1, "accumulate_grad_batches": 2}
    fit(logger=MetricsFile(whole), **options)
    saver = checkpoints(tmp_path, every_n_train_steps=2)
    fit(saver, logger=MetricsFile(killed), **options)
    for step in (2, 4, 6):
        # As it was when the run ended at once.
        fit(logger=MetricsFile(killed), ckpt_path=tmp_path / f"step={step}.ckpt", **options)
        assert logged(killed) == logged(whole), step


class Validations(Callback):
    """Notes the loss of every validation that was finished."""

    def __init__(self, seen: list[tuple[int, float]]) -> None:
        self.seen = seen

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self.seen.append((trainer.global_step, float(trainer.callback_metrics["val/loss"])))


def test_in_the_middle_of_an_accumulated_step_it_ends_behind_it(tmp_path: Path) -> None:
    options = {"accumulate_grad_batches": 2, "limit_val_batches": 0}
    path = tmp_path / "last.ckpt"
    with pytest.raises(Terminated):
        fit(Tell(1, where="train"), StopOnSignal(path), **options)
    assert_same_weights(fit(ckpt_path=path, **options), fit(**options))


def test_two_validations_an_epoch(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    seen: list[tuple[int, float]] = []
    with pytest.raises(Terminated):
        fit(Validations(seen), Tell(9, where="validation"), StopOnSignal(path), val_check_interval=0.5)
    assert checkpoint(path)["global_step"] == 9
    resumed = fit(Validations(seen), StopOnSignal(None), ckpt_path=path, val_check_interval=0.5)
    whole: list[tuple[int, float]] = []
    assert_same_weights(resumed, fit(Validations(whole), val_check_interval=0.5))
    assert seen == whole


def test_ctrl_c_is_told_from_it(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(Tell(4, signal.SIGINT), StopOnSignal(tmp_path / "last.ckpt"))
    assert checkpoint(tmp_path / "last.ckpt")["global_step"] == 4


def tiny(config: dict[str, Any], tell: dict[str, Any]) -> dict[str, Any]:
    """Without sound; ends itself."""
    config |= {"evaluation": None}
    config["run"] |= {"wandb": "disabled"}
    saver = "lightning.pytorch.callbacks.ModelCheckpoint"
    final = {"filename": "final", "save_on_train_epoch_end": True, "enable_version_counter": False}
    config["trainer"]["callbacks"] = [{"class_path": saver, "init_args": final}]
    if tell:
        config["trainer"]["callbacks"].append({"class_path": "tests.app.test_stopping.Tell", "init_args": tell})
    return config


def test_slurm_puts_the_job_into_the_queue_again_and_its_run_goes_on(
    tiny_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = tmp_path / "queue"
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {queue}\n')
    scontrol.chmod(0o755)
    job = {
        "SLURM_JOB_ID": "1234", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "1", "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_NODELIST": "localhost", "SLURM_STEP_ID": "0",
        "PATH": f"{scontrol.parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    told = write(tiny(tiny_config, {"step": 3, "number": int(signal.SIGUSR1)}), tmp_path, "told.yaml")
    assert main(["fit", "--config", told]) == 143
    assert queue.read_text() == "requeue 1234\n"
    run = only_run(tiny_config)
    assert checkpoint(run / "checkpoints" / "last.ckpt")["global_step"] == 3
    assert not list(Path.cwd().glob("hpc_ckpt*"))

    # The same line of the job's script, and no --ckpt_path in it.
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert main(["fit", "--config", write(tiny(tiny_config, {}), tmp_path, "again.yaml")]) == 0
    assert only_run(tiny_config) == run
    assert checkpoint(run / "checkpoints" / "final.ckpt")["global_step"] == 10


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_exit_codes(tiny_config: dict[str, Any], tmp_path: Path, number: int, code: int) -> None:
    told = write(tiny(tiny_config, {"step": 2, "number": int(number)}), tmp_path)
    assert main(["fit", "--config", told]) == code
    assert checkpoint(only_run(tiny_config) / "checkpoints" / "last.ckpt")["global_step"] == 2
    told = write(tiny(tiny_config, {"step": 0, "number": int(number), "where": "validation"}), tmp_path)
    assert main(["validate", "--config", told]) == code
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert torch.is_grad_enabled()
