"""From a study to plain commands: one training for each variant and seed, and its evaluations."""

import hashlib
import itertools
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from v2a_lightning.files import sha256_file
from v2a_lightning.project_configs import config_path
from v2a_lightning.runs import CHECKPOINTS
from v2a_lightning.studies.study import Setting, Study

Size = Literal["tiny", "small", "full"]
TINY = "ablations/tiny"
MINIATURE_WEIGHTS = Path(__file__).resolve().parents[1] / "miniature" / "weights"
RUNS = "runs"
CONFIG = "--config="


@dataclass(frozen=True)
class Options:
    """The options of the command `experiment`, which explains them; `overrides` are its `set`.

    At the size "full", networks keep the size that the base gives them. Seeds are 0, 1, ... `build` makes the objects
    of a command (LightningCLI's) from its name and arguments; analyses of trained runs need it.
    """

    seeds: int = 5
    size: Size = "small"
    base: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    output: Path = Path("runs/experiments")
    folders: Mapping[str, str] = field(default_factory=dict)
    build: Callable[[str, Sequence[str]], Any] | None = None

    def folder(self, target: str) -> Path:
        """Where a target's tables and figure are; runs are in a folder that all studies share."""
        return self.output / (target if self.size == "small" else f"{target}-{self.size}")

    def base_arguments(self, study: Study) -> list[str]:
        """The configs under every variant, as arguments."""
        return [f"{CONFIG}{name}" for name in (*(self.base or study.base), *([TINY] if self.size == "tiny" else []))]

    def override_arguments(self) -> list[str]:
        """The overrides, as arguments."""
        return [f"--{override.removeprefix('--')}" for override in self.overrides]


@dataclass(frozen=True)
class Run:
    """One command.

    Args:
        row: the row of the table that its scores belong to; "" for a training that has no row of its own.
        evaluation: name of the evaluation, "" for a training.
        arguments: what follows `python -m v2a_lightning`.
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
    def title(self) -> str:
        """The variant and the evaluation, for messages."""
        return ", ".join(part for part in (self.variant, self.evaluation) if part)

    @property
    def command(self) -> str:
        """What one would type."""
        return shlex.join(["python", "-m", "v2a_lightning", *self.arguments])

    @property
    def stage(self) -> str:
        """Under which its scores are logged."""
        return "test" if self.arguments[0] == "test" else "val"

    @property
    def checkpoint(self) -> Path:
        """What a training leaves behind."""
        return self.folder / CHECKPOINTS / "last.ckpt"

    @property
    def settings(self) -> list[str]:
        """The arguments behind the command's name, without its folder and its checkpoint."""
        return [one for one in self.arguments[1:] if not one.startswith(("--run.", "--ckpt_path"))]

    @property
    def preparing(self) -> tuple[str, ...]:
        """The command that only prepares the data: one step, into no folder, and without sound where that can be."""
        # Where a config takes values from the evaluation, it has to be there.
        silent = [] if any("${evaluation" in text for text in _config_texts(self.arguments)) else ["--evaluation=null"]
        return (self.arguments[0], *self.settings, "--trainer.fast_dev_run=true", "--averaging=null", *silent)

    @property
    def data_key(self) -> tuple[str, ...]:
        """The part of the command that says which data it is on: the base's, and what was last put over it."""
        configs = [one for one in self.arguments if any("\ndata:" in f"\n{text}" for text in _config_texts([one]))]
        return (*configs[:1], *configs[-1:], *(one for one in self.arguments if one.startswith("--data")))


def plan(study: Study, options: Options) -> list[Run]:
    """Every command of a study; a training comes before what needs its checkpoint.

    Raises:
        UsageError: when a config is not there.
    """
    settings = itertools.product(range(options.seeds), study.variants)
    return [run for seed, variant in settings for run in _runs(study, options, variant, seed)]


def digest(arguments: Iterable[str]) -> str:
    """Stands for a command, its configs' texts, and the miniature's weights where those are in it."""
    arguments = list(arguments)
    texts = list(_config_texts(arguments))
    # Without sound, a run has to do with the encoders alone.
    parts = ("clip", "clap") if "--evaluation=null" in arguments else ()
    weights = _miniature_digest(parts) if any("miniature" in text for text in [*arguments, *texts]) else ""
    return hashlib.sha256(json.dumps([arguments, texts, weights]).encode()).hexdigest()[:8]


def _runs(study: Study, options: Options, variant: Setting, seed: int) -> Iterator[Run]:
    pool, drawn = options.output / RUNS, 0 if variant.deterministic else seed
    rows = [(name, evaluation) for name, one, evaluation in study.rows() if one is variant]
    if study.own is None:
        rows.insert(0, ("", None))
    training: Run | None = None
    for row, evaluation in rows:
        settings = [study.common, variant, *([evaluation] if evaluation else [])]
        arguments = _arguments(evaluation.command if evaluation else "fit", study, options, settings, drawn)
        if training is not None:
            arguments.append(f"--ckpt_path={training.checkpoint}")
        name = f"{arguments[0]}-seed{drawn}-{digest(arguments)}"
        arguments += [f"--run.root={pool.parent}", f"--run.experiment={pool.name}", f"--run.name={name}"]
        # With a name of its own, "last" begins a run as well as it continues one.
        arguments += ["--ckpt_path=last"] if training is None else []
        evaluated = evaluation.name if evaluation else ""
        run = Run(row, variant.name, evaluated, seed, tuple(arguments), pool / name, training)
        training = training or run
        yield run


def _arguments(command: str, study: Study, options: Options, settings: Sequence[Setting], seed: int) -> list[str]:
    place = str(options.folder(study.target))
    values: dict[str, Any] = {}
    for one in settings:
        values |= {**one.options, **(one.small if options.size != "full" else {})}
    return [
        command,
        *options.base_arguments(study),
        *(f"{CONFIG}{config.replace('{folder}', place)}" for one in settings for config in one.configs),
        f"--seed_everything={seed}",
        *(f"--{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()),
        *options.override_arguments(),
    ]


def _config_texts(arguments: Iterable[str]) -> Iterator[str]:
    for one in arguments:
        if one.startswith(CONFIG):
            yield Path(config_path(one.removeprefix(CONFIG))).read_text()


@lru_cache(maxsize=4)
def _miniature_digest(parts: tuple[str, ...]) -> str:
    """Of the weights of these parts; of all when none is named."""
    roots = [MINIATURE_WEIGHTS / part for part in parts] or [MINIATURE_WEIGHTS]
    files = sorted(file for root in roots for file in root.rglob("*.safetensors"))
    content = [(str(file.relative_to(MINIATURE_WEIGHTS)), sha256_file(file)) for file in files]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
