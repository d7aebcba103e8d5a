"""A finished training opened again without a Trainer, and analyses of it that are computed once."""

import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from v2a_lightning.app.lightning_cli import MapperCLI
from v2a_lightning.errors import RunFailure
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.files import atomic_write
from v2a_lightning.generators import Generator
from v2a_lightning.json_files import write_json
from v2a_lightning.module import V2AMapper
from v2a_lightning.project_configs import with_config_paths
from v2a_lightning.randomness import clip_seed, generators
from v2a_lightning.studies.plan import Run

QUIET = "lightning.pytorch", "lightning.fabric"


@dataclass
class TrainedRun:
    """A training's objects.

    Args:
        mapper: with the weights of its last checkpoint, the averaged ones where there are any.
        data: its data module, set up.
        evaluation: its callback for sound.
    """

    mapper: V2AMapper
    data: Any
    evaluation: Any

    @property
    def generator(self) -> Generator:
        """The generator of its evaluation."""
        return self.evaluation.generator  # type: ignore[no-any-return]

    @property
    def suite(self) -> EvaluationSuite:
        """The metrics of its evaluation."""
        return self.evaluation.suite  # type: ignore[no-any-return]

    @property
    def seconds(self) -> float:
        """Length of a sound."""
        return float(self.evaluation.seconds)

    def batches(self, split: Literal["fit", "validate", "test"] = "validate") -> Iterator[dict[str, Any]]:
        """Batches of the training ("fit"), validation or test clips; those of training in an order of their own."""
        with _without_lightnings_messages():
            self.data.setup(split)
        name = {"fit": "train", "validate": "val", "test": "test"}[split]
        yield from getattr(self.data, f"{name}_dataloader")()

    def sample(self, batch: dict[str, Any], mapper: V2AMapper | None = None, **options: Any) -> Tensor:
        """(B, N x D) a target for each clip of a batch, drawn as validation draws it."""
        mapper = mapper or self.mapper
        own = generators([clip_seed(mapper.seed, clip_id) for clip_id in batch["clip_id"]])
        return mapper.sample(batch["frames"], batch["frame_mask"], generator=own, **options).flatten(1)

    def generate(self, targets: Tensor, seeds: Sequence[int]) -> Tensor:
        """(B, samples) the sounds of targets (B, N x D), on the CPU."""
        condition = targets.unflatten(1, (-1, self.generator.condition.width))
        return self.generator.generate(condition, seconds=self.seconds, seeds=seeds)


def open_run(run: Run, further: Sequence[str] = (), trained: bool = True) -> TrainedRun:
    """Open a training.

    Args:
        run: the training.
        further: options over its own, such as another data set.
        trained: whether the mapper gets the trained weights; else it is as it began.

    Raises:
        RunFailure: when it has left no checkpoint.
    """
    if trained and not run.checkpoint.is_file():
        raise RunFailure(f"{run.folder} has no checkpoint, so this training cannot be analysed")
    cli = open_config("validate", [*run.settings, *further])
    if trained:
        checkpoint = torch.load(run.checkpoint, map_location="cpu", weights_only=True)
        cli.model.load_state_dict(checkpoint["state_dict"])
    return TrainedRun(cli.model.eval(), cli.datamodule, cli.config_init["evaluation"])


def open_config(command: str, arguments: Sequence[str]) -> MapperCLI:
    """The objects of a command line, with prepared data."""
    with _without_lightnings_messages():
        cli = MapperCLI(command, with_config_paths([*arguments, "--trainer.fast_dev_run=true"]))
        cli.datamodule.prepare_data()
    return cli


def cached_json(
    path: Path,
    compute: Callable[[], Any],
    settings: Mapping[str, Any] | None = None,
    files: Sequence[Path] = (),
) -> Any:
    """The result in a JSON file; computed and written first unless that was done before.

    Args:
        path: the file.
        compute: gives the result.
        settings: what the result depends on beside the file's place; a file of other settings is made again.
        files: what `compute` writes beside its result; when one is gone, it is called again.
    """
    wanted = json.loads(json.dumps(settings or {}))
    found = json.loads(path.read_text()) if path.is_file() else {}
    if found.get("settings") != wanted or not all(file.exists() for file in files):
        found = {"settings": wanted, "result": compute()}
        write_json(path, found)
    # As it is read from the file, also the first time: no tuples, no numbers as keys.
    return json.loads(json.dumps(found["result"]))


def copy_into(folder: Path, file: Path, name: str = "") -> Path:
    """Copy a file into a folder, under its own name or another; the copy's path."""
    target = folder / (name or file.name)
    with atomic_write(target) as temporary:
        shutil.copyfile(file, temporary)
    return target


@contextmanager
def _without_lightnings_messages() -> Iterator[None]:
    """Lightning's messages about a run were logged when it was trained."""
    loggers = [logging.getLogger(name) for name in QUIET]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
