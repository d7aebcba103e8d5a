"""A finished training opened again without a Trainer, and analyses of it that are computed once."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from v2a_lightning.callbacks.clip_selection import place
from v2a_lightning.callbacks.evaluation_files import frame_sampling
from v2a_lightning.encoders.base import SOLE
from v2a_lightning.errors import RunFailure
from v2a_lightning.evaluation.reading import ClipFiles
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.generators import Generator
from v2a_lightning.json_files import write_json
from v2a_lightning.mapper import AverageFrames
from v2a_lightning.module import V2AMapper
from v2a_lightning.randomness import clip_seed, generators
from v2a_lightning.studies.plan import Options, Run

Split = Literal["fit", "validate", "test"]


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

    def batches(self, split: Split = "validate") -> Iterator[dict[str, Any]]:
        """Batches of the training ("fit"), validation or test clips; those of training in an order of their own."""
        with _quiet():
            self.data.setup(split)
        name = {"fit": "train", "validate": "val", "test": "test"}[split]
        yield from getattr(self.data, f"{name}_dataloader")()

    def targets(self, split: Split) -> dict[str, Tensor]:
        """(N x D,) the target of every clip by its id, in the order in which an evaluation takes its first ones."""
        found = {
            clip_id: row
            for batch in self.batches(split)
            for clip_id, row in zip(batch["clip_id"], batch["target"].flatten(1).float(), strict=True)
        }
        return {clip_id: found[clip_id] for clip_id in sorted(found, key=lambda one: place(one, self.evaluation.seed))}

    def sample(self, batch: dict[str, Any], mapper: V2AMapper | None = None, **options: Any) -> Tensor:
        """(B, N x D) a target for each clip of a batch, drawn as validation draws it."""
        mapper = mapper or self.mapper
        own = generators([clip_seed(mapper.seed, clip_id) for clip_id in batch["clip_id"]])
        return mapper.sample(batch["frames"], batch["frame_mask"], generator=own, **options).flatten(1)

    def generate(self, targets: Tensor, seeds: Sequence[int]) -> Tensor:
        """(B, samples) the sounds of targets (B, N x D), on the CPU."""
        condition = targets.unflatten(1, (-1, self.generator.condition.width))
        return self.generator.generate(condition, seconds=self.seconds, seeds=seeds)

    def score(self, files: Mapping[str, Path]) -> dict[str, float]:
        """The suite's scores of files of sound by clip id, held against the clips' own files as an evaluation does."""
        self.suite.reset()
        own = {clip_id: Path(self.data.source(clip_id)) for clip_id in files}
        sampling = frame_sampling(self.data)
        clips = (ClipFiles(one, file, own[one], own[one], sampling=sampling) for one, file in files.items())
        for _, error in self.suite.add_files(clips):
            if error is not None:
                raise error
        return self.suite.compute()


def views_of(batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """The frames (B, T, D) of a batch by encoder; one alone is named SOLE."""
    frames = batch["frames"]
    return dict(frames) if isinstance(frames, Mapping) else {SOLE: frames}


def mean_frames(batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """(B, D) the average of each clip's frames by encoder."""
    average, mask = AverageFrames(), batch["frame_mask"]
    return {name: average(frames, mask, torch.Generator()) for name, frames in views_of(batch).items()}


def open_run(run: Run, options: Options, further: Sequence[str] = (), trained: bool = True) -> TrainedRun:
    """Open a training.

    Args:
        run: the training.
        options: its study's, which build objects.
        further: command-line options over its own, such as another data set.
        trained: whether the mapper gets the trained weights; else it is as it began.

    Raises:
        RunFailure: when it has left no checkpoint.
    """
    if trained and not run.checkpoint.is_file():
        raise RunFailure(f"{run.folder} has no checkpoint, so this training cannot be analysed")
    built = open_config(options, "validate", [*run.settings, *further])
    if trained:
        checkpoint = torch.load(run.checkpoint, map_location="cpu", weights_only=True)
        built.model.load_state_dict(checkpoint["state_dict"])
    return TrainedRun(built.model.eval(), built.datamodule, built.config_init["evaluation"])


def open_config(options: Options, command: str, arguments: Sequence[str]) -> Any:
    """The objects of a command line (`model`, `datamodule`, `config_init`), with prepared data."""
    assert options.build is not None
    with _quiet():
        built = options.build(command, [*arguments, "--trainer.fast_dev_run=true"])
        built.datamodule.prepare_data()
    return built


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


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's messages about a run were logged when it was trained."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.INFO)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
