"""Run folders: `<root>/<experiment>/<run>/`, one per run, never shared by two."""

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import yaml

from v2a_lightning.errors import UsageError

CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.csv"
# What an evaluation of sound found, beside the sounds; written when all else is.
EVALUATION_FILE = "evaluation.json"
# How many clips of each split were used, and the hash of their ids.
CLIPS_FILE = "clips.json"
# What `predict` makes: Parquet files with the columns clip_id and embedding.
EMBEDDINGS = "embeddings"
CHECKPOINTS = "checkpoints"
# Where a checkpoint keeps the YAML of the run that wrote it, so that `generate` needs nothing but the checkpoint.
CONFIG_KEY = "v2a_config"


@dataclass(frozen=True)
class RunSettings:
    """Where a run writes to, and whom it tells.

    Args:
        root: the folder of all runs.
        experiment: the name under which comparable runs stand beside one another.
        name: the run's own folder; the time of its start (UTC) and four random digits when not given.
        wandb: "auto" logs to Weights & Biases online when this machine is logged in there, else into an offline run
            inside the run's folder, and not at all when the package is missing. WANDB_MODE decides between the two.
        project: the project at Weights & Biases.
    """

    root: str = "runs"
    experiment: str = "v2a_mapper"
    name: str | None = None
    wandb: Literal["auto", "online", "offline", "disabled"] = "auto"
    project: str = "v2a-lightning"

    @property
    def folder(self) -> Path:
        """The experiment's folder, in which the runs are."""
        return Path(self.root, self.experiment)


def new_run_name() -> str:
    """A name no other run has; names sort by time: the start in UTC to the microsecond, four random hex digits.

    UTC, since local time repeats an hour every autumn; random digits for runs that start on two machines at once.
    """
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def claim_folder(folder: Path, config: str | None = None) -> Path:
    """Make a new run's folder.

    Args:
        folder: the folder.
        config: of a test or validation, which goes on in the folder of one that was stopped and had the same config.

    Raises:
        UsageError: when another run has written there, or nobody can.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"run.root: {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"run.root: {folder} cannot be written to")
    if (folder / CONFIG_FILE).exists():
        if config is not None:
            _refuse_another_test(folder, config)
            return folder
        raise UsageError(f"{folder} holds a run already: continue it with --ckpt_path last, or give another --run.name")
    return folder


def _refuse_another_test(folder: Path, config: str) -> None:
    if any(folder.glob(f"audio/*/{EVALUATION_FILE}")):
        raise UsageError(f"{folder} holds a finished run; give another --run.name")
    try:
        there, wanted = yaml.safe_load((folder / CONFIG_FILE).read_text()) or {}, yaml.safe_load(config)
    except yaml.YAMLError as error:
        raise UsageError(f"{folder} holds a run with an unreadable {CONFIG_FILE}; give another --run.name") from error
    # Where it runs, on what, and under which name makes no difference to what it finds.
    other = [key for key in {**there, **wanted} if key not in ("run", "trainer") and there.get(key) != wanted.get(key)]
    if other:
        raise UsageError(f"{folder} holds a run with another {', '.join(other)}; give another --run.name")


def find_checkpoint(settings: RunSettings, which: Literal["last", "best"]) -> Path | None:
    """The newest `last` or `best` checkpoint of the run, or of all runs of the experiment when the run has no name."""
    pattern = f"{settings.name or '*'}/{CHECKPOINTS}/{which}.ckpt"
    found = sorted(settings.folder.glob(pattern), key=os.path.getmtime)
    return found[-1] if found else None


def run_of(checkpoint: Path) -> Path:
    """The folder of the run that wrote a checkpoint."""
    return checkpoint.parent.parent if checkpoint.parent.name == CHECKPOINTS else checkpoint.parent
