"""What a run logs to: always a csv file in its folder; Weights & Biases where it is there; TensorBoard if wanted."""

import csv
import netrc
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from lightning.fabric.loggers.csv_logs import _ExperimentWriter
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.runs import RunSettings


class MetricsFile(CSVLogger):
    """The run's `metrics.csv`. Unlike its base it goes on with a file that is there, so a resumed run has one curve."""

    def __init__(self, folder: Path) -> None:
        super().__init__(save_dir=folder.parent.parent, name=folder.parent.name, version=folder.name)

    @property
    @rank_zero_experiment
    def experiment(self) -> _ExperimentWriter:
        """The writer of the rows."""
        if self._experiment is None:
            self._experiment = _ContinuedRows(self.log_dir)
        return self._experiment

    def log_hyperparams(self, params: Any = None) -> None:
        """Nothing: the folder's config.yaml holds every value."""


class _ContinuedRows(_ExperimentWriter):
    """Rows of metrics that go on behind those of an earlier attempt.

    What that attempt logged beyond the step at which this one begins is made again. At that step itself it may have
    logged values that are not: those of a training step whose validation was stopped.
    """

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        self._earlier = _read_rows(Path(self.metrics_file_path))
        self._own: list[dict[str, Any]] = []

    def _check_log_dir_exists(self) -> None:
        """The base would delete the file here."""

    def save(self) -> None:
        """Write all rows; a reader never meets half a table."""
        if not self.metrics:
            return
        self._own += self.metrics
        self.metrics = []
        rows = self._still_true() + self._own
        columns = sorted({key for row in rows for key in row}, key=lambda key: (key not in ("epoch", "step"), key))
        with atomic_write(self.metrics_file_path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=columns)
            writer.writeheader()
            writer.writerows(rows)

    def _still_true(self) -> list[dict[str, Any]]:
        """The earlier rows, without the values that were logged again or are going to be."""
        first = self._own[0]["step"]
        again = {name for row in self._own if row["step"] == first for name in row} - {"epoch", "step"}
        self._earlier = [row for row in self._earlier if float(row["step"]) <= first]
        for row in self._earlier:
            if float(row["step"]) == first:
                for name in again & row.keys():
                    del row[name]
        return [row for row in self._earlier if row.keys() - {"epoch", "step"}]


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with open(path, newline="") as file:
        return [{key: value for key, value in row.items() if value != ""} for row in csv.DictReader(file)]


def wandb_mode(settings: RunSettings) -> str:
    """ "online", "offline" or "disabled", decided without asking the network."""
    if find_spec("wandb") is None or settings.wandb == "disabled":
        return "disabled"
    chosen = os.environ.get("WANDB_MODE") or settings.wandb
    if chosen != "auto":
        return {"dryrun": "offline", "run": "online"}.get(chosen, chosen)
    return "online" if _has_wandb_key() else "offline"


def _has_wandb_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    try:
        return path.is_file() and netrc.netrc(path).authenticators(host) is not None
    except netrc.NetrcParseError:
        return False


def loggers_for(settings: RunSettings, folder: Path) -> list[Logger]:
    """The csv file first, since Lightning takes the run's folder from the first logger."""
    loggers: list[Logger] = [MetricsFile(folder)]
    mode = wandb_mode(settings)
    if mode != "disabled":
        loggers.append(_wandb_logger(settings, folder, offline=mode == "offline"))
    if settings.tensorboard:
        try:
            loggers.append(TensorBoardLogger(folder, name="", version="tensorboard", default_hp_metric=False))
        except ModuleNotFoundError as error:
            raise UsageError("run.tensorboard: install it with `pip install 'v2a-lightning[tensorboard]'`") from error
    return loggers


class WandbExtras(Callback):
    """Sends to Weights & Biases what a run's settings ask for beside its numbers: gradients, the best checkpoint."""

    def __init__(self, settings: RunSettings) -> None:
        self.settings = settings

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Watch the gradients."""
        for logger in self._loggers(trainer, self.settings.wandb_gradients):
            logger.watch(pl_module, log_freq=trainer.log_every_n_steps, log_graph=False)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Send the checkpoint."""
        path = best_checkpoint(trainer)
        for logger in self._loggers(trainer, self.settings.wandb_checkpoint and path is not None):
            logger.experiment.log_model(path, f"{logger.version}-best", aliases=["best"])

    @staticmethod
    def _loggers(trainer: Trainer, wanted: bool) -> list[WandbLogger]:
        here = wanted and trainer.is_global_zero
        return [logger for logger in trainer.loggers if here and isinstance(logger, WandbLogger)]


def best_checkpoint(trainer: Trainer) -> str | None:
    """The checkpoint with the best score of a fit, or the last one where none goes by a score."""
    monitors = [one for one in trainer.checkpoint_callbacks if isinstance(one, ModelCheckpoint)]
    paths = [one.best_model_path for one in sorted(monitors, key=lambda one: one.monitor is None)]
    return next(filter(None, paths), None)


def _wandb_logger(settings: RunSettings, folder: Path, offline: bool) -> Logger:
    # A crash report is a network call too, and an offline run makes none.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    if offline:
        # Nothing it could say offline is news: the run's files are in the run's folder.
        os.environ.setdefault("WANDB_SILENT", "true")
    # A sweep's agent names the run itself; else the folder's name, so that a resumed run goes on under its name.
    identity = None if os.environ.get("WANDB_RUN_ID") else f"{settings.experiment}-{folder.name}".replace("/", "-")
    logger = WandbLogger(
        name=folder.name,
        id=identity,
        project=os.environ.get("WANDB_PROJECT") or settings.project,
        group=settings.experiment,
        save_dir=str(folder),
        offline=offline,
    )
    # Lightning gives W&B a setting that it warns of.
    logger._wandb_init.pop("anonymous", None)
    return logger
