"""Run folders: `<root>/<experiment>/<run>/`, one per run, never shared by two."""

import os
import secrets
import sys
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from pickle import UnpicklingError
from typing import Literal

import yaml

from v2a_lightning.errors import UsageError

CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.csv"
# What an evaluation of sound found, beside the sounds; written when these and their scores are.
EVALUATION_FILE = "evaluation.json"
# Its scores with their cards, as `evaluate` writes them.
SCORES_FILE = "scores.json"
# There until a test or a validation is done with all it writes: one that was stopped before goes on in its folder.
UNFINISHED_FILE = ".unfinished"
# How many clips of each split were used, and the hash of their ids.
CLIPS_FILE = "clips.json"
# What `predict` makes: Parquet files with the columns clip_id and embedding.
EMBEDDINGS = "embeddings"
CHECKPOINTS = "checkpoints"
LAST = "last.ckpt"
# What `last.ckpt` was before it was written again.
PREVIOUS = "last-previous.ckpt"
# Where a checkpoint keeps the YAML of the run that wrote it, so that `generate` needs nothing but the checkpoint.
CONFIG_KEY = "v2a_config"


@dataclass(frozen=True)
class RunSettings:
    """Where a run writes and logs.

    Args:
        root: the folder of all runs.
        experiment: the name under which comparable runs stand beside one another.
        name: the run's own folder; the time of its start (UTC) and four random digits when not given.
        wandb: "auto" logs to Weights & Biases online when this machine is logged in there, else into an offline run
            inside the run's folder, and not at all when the package is missing. WANDB_MODE decides between the two.
        project: the project at Weights & Biases.
        wandb_checkpoint: send the best checkpoint of a fit there, as an artifact.
        wandb_gradients: send histograms of the gradients there.
        tensorboard: log to TensorBoard as well, into the run's folder.
    """

    root: str = "runs"
    experiment: str = "v2a_mapper"
    name: str | None = None
    wandb: Literal["auto", "online", "offline", "disabled"] = "auto"
    project: str = "v2a-lightning"
    wandb_checkpoint: bool = False
    wandb_gradients: bool = False
    tensorboard: bool = False

    @property
    def folder(self) -> Path:
        """The experiment's folder, in which the runs are."""
        return Path(self.root, self.experiment)


def new_run_name() -> str:
    """A unique name, sorted by time: the start in UTC and four random hex digits, or the number of SLURM's job."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{run_of_job() or secrets.token_hex(2)}"


def refuse_taken_folder(folder: Path, config: str | None = None) -> None:
    """Raise UsageError when another run has written into a folder.

    A test or validation, of which `config` is given, goes on in the folder of a stopped one with the same config.
    """
    if not (folder / CONFIG_FILE).exists():
        return
    if config is None:
        raise UsageError(f"{folder} holds a run already: continue it with --ckpt_path last, or give another --run.name")
    if any(folder.glob(f"audio/*/{EVALUATION_FILE}")) and not (folder / UNFINISHED_FILE).exists():
        raise UsageError(f"{folder} holds a finished run; give another --run.name")
    try:
        there, wanted = yaml.safe_load((folder / CONFIG_FILE).read_text()) or {}, yaml.safe_load(config)
    except yaml.YAMLError as error:
        raise UsageError(f"{folder} holds a run with an unreadable {CONFIG_FILE}; give another --run.name") from error
    # Where it runs, on what, and under which name makes no difference to what it finds.
    other = [key for key in {**there, **wanted} if key not in ("run", "trainer") and there.get(key) != wanted.get(key)]
    if other:
        raise UsageError(f"{folder} holds a run with another {', '.join(other)}; give another --run.name")


def claim_folder(folder: Path) -> Path:
    """Make a new run's folder; UsageError when nobody can write there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"run.root: {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"run.root: {folder} cannot be written to")
    return folder


def find_checkpoint(settings: RunSettings, which: Literal["last", "best"]) -> Path | None:
    """The newest `last` or `best` checkpoint of the run, or of the experiment when the run has no name.

    A damaged `last` gives way, with a line, to the one before it; UsageError when that is damaged, too.
    """
    names = [f"{which}.ckpt", f"{which}-previous.ckpt"]
    found = [path for name in names for path in settings.folder.glob(f"{settings.name or '*'}/{CHECKPOINTS}/{name}")]
    if not found:
        return None
    newest = max(found, key=os.path.getmtime).parent
    damaged: list[str] = []
    for path in (newest / name for name in names):
        if not path.is_file():
            continue
        if (reason := damage(path)) is None:
            if damaged:
                print(f"{'; '.join(damaged)}: taking the one before it, {path.name}", file=sys.stderr)
            return path
        damaged.append(f"{path} is damaged: {reason}")
    raise UsageError(f"{'; '.join(damaged)}; this run has no other to go on from")


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint as a file, or None: its checksums are compared."""
    try:
        with zipfile.ZipFile(path) as file:
            broken = file.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, NotImplementedError) as error:
        return "it is empty" if path.is_file() and not path.stat().st_size else str(error).lower()
    return f"{broken} has another checksum" if broken else None


def run_of_job() -> str | None:
    """What the runs of this SLURM job step end with, by which it finds them when it is queued again."""
    job = os.environ.get("SLURM_JOB_ID")
    return f"job{job}.{os.environ.get('SLURM_STEP_ID', '0')}" if job else None


def run_of(checkpoint: Path) -> Path:
    """The folder of the run that wrote a checkpoint."""
    return checkpoint.parent.parent if checkpoint.parent.name == CHECKPOINTS else checkpoint.parent


def epoch_of(checkpoint: Path) -> int | None:
    """The epoch after which a checkpoint was written; None when it does not say, or cannot be read."""
    import torch

    try:
        content = torch.load(checkpoint, map_location="meta", mmap=True, weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, LookupError, AttributeError, TypeError, UnpicklingError):
        return None
    epoch = content.get("epoch") if isinstance(content, dict) else None
    return epoch if isinstance(epoch, int) else None
