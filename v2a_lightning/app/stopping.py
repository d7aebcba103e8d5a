"""A run that is told to end saves where it is: SIGTERM, Ctrl-C, and the signal before SLURM's time limit."""

import os
import signal
import subprocess
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_info
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from v2a_lightning.signals import Interrupted, Terminated


class StopOnSignal(Callback):
    """Ends a fit behind the optimiser step it is in, with a checkpoint from which it goes on exactly.

    All processes of a run end together, whichever of them got the signal. A validation of a single process is stopped
    at once and made again after a resume; of several it is finished first, since they wait for one another in it. Other
    commands than fit have nothing to save and end at once. A second Ctrl-C ends the process wherever it is.

    Under SLURM the signal that announces the time limit (SIGUSR1) puts the job into the queue again, too.

    Args:
        checkpoint: where a fit is saved; None saves nothing.
    """

    def __init__(self, checkpoint: Path | None) -> None:
        self.checkpoint = checkpoint
        self._trainer: Trainer | None = None
        self._owner = os.getpid()
        self._received: int | None = None
        self._validating = False
        self._validation_is_due = False

    # Lightning installs its own handlers just before the first of these hooks, and afterwards those of before them.
    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Handle the signals from now on."""
        self._listen(trainer)

    on_train_start = on_test_start = on_predict_start = on_sanity_check_start

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Handle the signals; in a fit, from now on whoever stops has this validation before them."""
        self._listen(trainer)
        if not _fitting(trainer) or trainer.sanity_checking:
            return
        progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
        # After a resume Lightning's totals still tell of the validation that was stopped.
        progress.total.reset_on_restart()
        self._validating = trainer.world_size == 1
        if self._validating and self._received is not None:
            self._stop(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Behind the validation."""
        self._validating = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and stop, when any process got a signal and the step is a whole one with no validation behind it."""
        signalled = trainer.strategy.reduce_boolean_decision(self._received is not None, all=False)
        if signalled and not _step_goes_on(trainer, batch_idx) and not _validation_follows(trainer, batch_idx):
            _log_step(trainer)
            self._save(trainer)
            self._stop(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save when a validation was stopped; the average of the weights has been taken out of the model again."""
        if self._validating and isinstance(exception, Terminated):
            self._validation_is_due = True
            self._save(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Have the validation that was stopped made again."""
        if self._validation_is_due:
            # For Lightning: one batch was begun and none is done.
            begun = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
            progress = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
            progress.update(total=dict(begun), current=dict(begun), is_last_batch=False)

    def _listen(self, trainer: Trainer) -> None:
        self._trainer = trainer
        for number in (signal.SIGTERM, signal.SIGINT, *([signal.SIGUSR1] if _requeues(trainer) else [])):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        trainer = self._trainer
        assert trainer is not None
        again = number == signal.SIGINT and self._received == number
        if os.getpid() != self._owner or again:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._received = self._received or number
        if not _fitting(trainer):
            if trainer.strategy.launcher is not None:
                trainer.strategy.launcher.kill(signal.SIGTERM)
            self._stop(trainer)
        if self._validating:
            self._stop(trainer)
        rank_zero_info(f"{signal.Signals(number).name}: the run ends behind this step, with a checkpoint")

    def _save(self, trainer: Trainer) -> None:
        if self.checkpoint is not None:
            trainer.save_checkpoint(self.checkpoint)
            rank_zero_info(f"saved {self.checkpoint}: --ckpt_path last goes on from there")

    def _stop(self, trainer: Trainer) -> None:
        # Elsewhere, as on Windows, there may be no such signal.
        if _requeues(trainer) and self._received == signal.SIGUSR1 and trainer.is_global_zero:
            subprocess.run(["scontrol", "requeue", _slurm_job()], check=False)
        raise Interrupted if self._received == signal.SIGINT else Terminated


def _fitting(trainer: Trainer) -> bool:
    return trainer.state.fn == TrainerFn.FITTING


def _log_step(trainer: Trainer) -> None:
    """Write the row of this step, as Lightning would behind this hook; a run that goes on does not make it again."""
    trainer._logger_connector.on_batch_end()
    trainer._logger_connector.update_train_step_metrics()


def _step_goes_on(trainer: Trainer, batch_idx: int) -> bool:
    """Whether gradients are still being accumulated."""
    return bool((batch_idx + 1) % trainer.accumulate_grad_batches) and batch_idx + 1 < trainer.num_training_batches


def _validation_follows(trainer: Trainer, batch_idx: int) -> bool:
    """Whether a validation may follow; a fit that stopped between the two would leave it out when it goes on."""
    every = trainer.val_check_batch
    last = batch_idx + 1 >= trainer.num_training_batches
    return last or (isinstance(every, int) and every > 0 and (batch_idx + 1) % every == 0)


def _requeues(trainer: Trainer) -> bool:
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if isinstance(environment, SLURMEnvironment):
        return environment.auto_requeue
    return SLURMEnvironment.detect()


def _slurm_job() -> str:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
