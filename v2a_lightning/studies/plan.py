"""From a study to plain commands: one training for each variant and seed, and what is asked of it afterwards."""

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from v2a_lightning.errors import UsageError
from v2a_lightning.files import sha256_file
from v2a_lightning.runs import CHECKPOINTS
from v2a_lightning.studies.study import Setting, Study, row_name, rows_of

Size = Literal["tiny", "small", "full"]
TINY = "experiments/ablations/tiny.yaml"
MINIATURE_WEIGHTS = Path(__file__).resolve().parents[1] / "miniature" / "weights"
RUNS = "runs"


@dataclass(frozen=True)
class Options:
    """What the command line says of a study.

    Args:
        seeds: how many trainings of each variant; they have the seeds 0, 1, ...
        size: "tiny" shows that everything works, "small" is the study on the miniature, "full" is for a base of full
            size: networks keep the size that the base gives them.
        base: config files instead of the study's.
        overrides: `key=value` for every command, stronger than all else.
        output: folder of all studies.
        folders: of table1: folders of sounds to score, `name=folder`.
    """

    seeds: int = 5
    size: Size = "small"
    base: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    output: Path = Path("runs/experiments")
    folders: Mapping[str, str] = field(default_factory=dict)

    def folder(self, study: Study) -> Path:
        """Where a study's tables and figure are; runs are in a folder that all studies share."""
        return self.output / (study.target if self.size == "small" else f"{study.target}-{self.size}")


@dataclass(frozen=True)
class Run:
    """One command.

    Args:
        row: the row of the table that its scores belong to; "" for a training that has no row of its own.
        variant: name of the variant.
        evaluation: name of the evaluation, "" for a training.
        seed: of the training.
        arguments: what follows `python -m v2a_lightning`.
        folder: where it writes.
        needs: the training whose checkpoint it takes.
    """

    row: str
    variant: str
    evaluation: str
    seed: int
    arguments: tuple[str, ...]
    folder: Path
    needs: "Run | None" = None

    @property
    def name(self) -> str:
        """Its folder's name: the same for the same command and configs, in whichever study, and for no other."""
        return self.folder.name

    @property
    def command(self) -> str:
        """What one would type."""
        return shlex.join(["python", "-m", "v2a_lightning", *self.arguments])

    @property
    def checkpoint(self) -> Path:
        """What a training leaves behind."""
        return self.folder / CHECKPOINTS / "last.ckpt"

    @property
    def preparing(self) -> tuple[str, ...]:
        """The command that only prepares the data: one step, into no folder, and without sound where that can be."""
        kept = [one for one in self.arguments if not one.startswith(("--run.", "--ckpt_path"))]
        configs = [_config_text(one.removeprefix("--config=")) for one in kept if one.startswith("--config=")]
        # Where a config takes values from the evaluation, it has to be there.
        silent = [] if any("${evaluation" in text for text in configs) else ["--evaluation=null"]
        return (*kept, "--trainer.fast_dev_run=true", "--averaging=null", *silent)

    @property
    def data_key(self) -> tuple[str, ...]:
        """The part of the command that says which data it is on: the base's, and what was last put over it."""
        configs = [one for one in self.arguments if _names_data(one)]
        return (*configs[:1], *configs[-1:], *(one for one in self.arguments if one.startswith("--data")))


def plan(study: Study, options: Options) -> list[Run]:
    """Every command of a study; a training comes before what needs its checkpoint.

    Raises:
        UsageError: when a config file is not there.
    """
    runs: list[Run] = []
    for seed in range(options.seeds):
        for variant in study.variants:
            runs += _runs_of(study, options, variant, seed)
    return runs


def _runs_of(study: Study, options: Options, variant: Setting, seed: int) -> list[Run]:
    mine = [evaluation for one, evaluation in rows_of(study) if one is variant and evaluation is not None]
    settings, drawn = [study.common, variant], 0 if variant.deterministic else seed
    pool = options.output / RUNS

    def make(row: str, evaluation: str, arguments: Sequence[str], needs: Run | None = None) -> Run:
        name = f"{arguments[0]}-seed{drawn}-{digest(arguments)}"
        return Run(row, variant.name, evaluation, seed, _with_folder(arguments, pool, name), pool / name, needs)

    row = row_name(variant, None, study) if study.own is not None else ""
    training = make(row, "", _arguments("fit", study, options, settings, drawn))
    runs = [training]
    for one in mine:
        arguments = _arguments(one.command, study, options, [*settings, one], drawn)
        arguments = [*arguments, f"--ckpt_path={training.checkpoint}"]
        runs.append(make(row_name(variant, one, study), one.name, arguments, training))
    return runs


def _with_folder(arguments: Sequence[str], pool: Path, name: str) -> tuple[str, ...]:
    own = [f"--run.root={pool.parent}", f"--run.experiment={pool.name}", f"--run.name={name}"]
    # With a name of its own, "last" begins a run as well as it continues one.
    return (*arguments, *own, *(["--ckpt_path=last"] if arguments[0] == "fit" else []))


def _arguments(command: str, study: Study, options: Options, settings: Sequence[Setting], seed: int) -> list[str]:
    configs = [*(options.base or study.base), *([TINY] if options.size == "tiny" else [])]
    place = str(options.folder(study))
    configs += [config.replace("{folder}", place) for one in settings for config in one.configs]
    values: dict[str, Any] = {}
    for one in settings:
        values |= one.options
        if options.size != "full":
            values |= one.small
    return [
        command,
        *(f"--config={config}" for config in configs),
        f"--seed_everything={seed}",
        *(f"--{key}={_text(value)}" for key, value in values.items()),
        *(f"--{override.removeprefix('--')}" for override in options.overrides),
    ]


def digest(arguments: Iterable[str]) -> str:
    """Stands for a command, what its config files say, and the miniature's weights where those are in it."""
    arguments = list(arguments)
    texts = [_config_text(one.removeprefix("--config=")) for one in arguments if one.startswith("--config=")]
    # Without sound, a run has to do with the encoders alone.
    parts = ("clip", "clap") if "--evaluation=null" in arguments else ()
    weights = _miniature_digest(parts) if any("miniature" in text for text in [*arguments, *texts]) else ""
    return hashlib.sha256(json.dumps([arguments, texts, weights]).encode()).hexdigest()[:8]


def _config_text(path: str) -> str:
    if not Path(path).is_file():
        raise UsageError(f"config {path}: there is no such file")
    return Path(path).read_text()


def _names_data(argument: str) -> bool:
    path = argument.removeprefix("--config=")
    return path != argument and any(line.startswith("data:") for line in _config_text(path).splitlines())


@lru_cache(maxsize=4)
def _miniature_digest(parts: tuple[str, ...]) -> str:
    """Of the weights of these parts; of all when none is named."""
    roots = [MINIATURE_WEIGHTS / part for part in parts] or [MINIATURE_WEIGHTS]
    files = sorted(file for root in roots for file in root.rglob("*.safetensors"))
    content = [(str(file.relative_to(MINIATURE_WEIGHTS)), sha256_file(file)) for file in files]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
