"""What `fit` costs beside its steps. An epoch of Lightning's loop, with batches from a table of embeddings, the shipped
config's average of the weights, the progress bar and metrics.csv, is timed in turn with the same steps in a bare loop
over batches that are in memory."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import Dataset

from experiments.benchmarks.speed.measuring import PROJECT, Row, Timing, ratio
from experiments.benchmarks.speed.steps import FRAMES, TrainingSteps
from v2a_lightning.app.config_objects import ConfigReader
from v2a_lightning.callbacks import RunProgressBar
from v2a_lightning.data_modules import Clip, EmbeddingTable, Splits
from v2a_lightning.data_modules.clip_data_module import ClipDataModule
from v2a_lightning.data_modules.clips import TRAIN, Reject
from v2a_lightning.data_modules.table import Batch, EmbeddingDataset


def rows(quick: bool) -> Iterator[Row]:
    """The topic's rows."""
    small = ["--model.network.init_args.depth=1"] if quick else []
    for config, what, goal, batches, rounds in (
        ("v2a_mapper.yaml", "the paper's size", 2.0, 8, 5),
        ("quickstart.yaml", "the quickstart's size", 5.0, 40, 7),
    ):
        batches, rounds, batch = (2, 1, 2) if quick else (batches, rounds, 64)
        bare = TrainingSteps(config, *small)
        held = [bare.batch(batch) for _ in range(batches)]
        loop = partial(_steps, bare, held)
        epochs = fit(config, small, batches * batch, batch, rounds, loop)
        more, (low, high) = ratio(epochs.timings, epochs.others)
        yield Row(
            f"`fit`, {what}, batch {batch}: time added to a step",
            "a bare loop",
            100 * (more - 1),
            "%",
            goal,
            "lower",
            rounds,
            (100 * (low - 1), 100 * (high - 1)),
            f"{100 * (ratio(epochs.timings, epochs.others, 'cpu')[0] - 1):.3g} % by processor time",
        )


class Epochs(Callback):
    """Times epochs of a fit, the first left out, and something else after each."""

    def __init__(self, other: Callable[[], object] = lambda: None) -> None:
        self.other = other
        self.timings: list[Timing] = []
        self.others: list[Timing] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = _now()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        timing = _since(self._start)
        start = _now()
        self.other()
        if trainer.current_epoch > 0:
            self.timings.append(timing)
            self.others.append(_since(start))


class SyntheticClips(ClipDataModule):
    """Unit vectors instead of embeddings, in the precision of a store."""

    unusable: Mapping[str, Reject] = {}  # type: ignore[assignment]

    def __init__(self, clips: int, batch_size: int, validation: int | None = None) -> None:
        splits = Splits(validation_fraction=0.0, validation_clips=validation)
        super().__init__(None, batch_size, 0, splits)
        names = [f"clip_{index:06d}" for index in range(clips)]
        # One clip's worth of randomness too many costs minutes at VGGSound's size: rows of a smaller table, repeated.
        some = torch.arange(clips) % 4096
        frames = F.normalize(torch.randn(4096, FRAMES, 512), dim=-1).half()[some]
        target = F.normalize(torch.randn(4096, 1, 512), dim=-1).half()[some]
        lengths = torch.full((clips,), FRAMES)
        self.table = EmbeddingTable(names, names, [TRAIN] * clips, names, frames, lengths, target)

    def find_clips(self) -> list[Clip]:
        return [Clip(name, name, TRAIN, Path(name)) for name in self.table.clip_ids]

    def datasets(self, splits: Mapping[str, Sequence[Clip]]) -> dict[str, Dataset[Batch]]:
        return {split: EmbeddingDataset(self.table, self.table.rows(clips)) for split, clips in splits.items()}


def fit(
    config: str,
    options: Sequence[str],
    clips: int,
    batch_size: int,
    epochs: int,
    other: Callable[[], object] = lambda: None,
    **trainer: Any,
) -> Epochs:
    """Train as a shipped config does, without validation and checkpoints: so many epochs are timed after a first.

    Args:
        config: name of a file in experiments/.
        options: further arguments of `fit`.
        clips: of an epoch.
        batch_size: clips of a batch.
        epochs: how many are timed.
        other: what is timed after each.
        trainer: arguments of the Trainer, instead of the CPU and fp32.
    """
    reader = ConfigReader([f"--config={PROJECT / 'experiments' / config}", *options])
    made, given = reader.make("model", "averaging"), reader.config.trainer
    timed = Epochs(other)
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [made.averaging, RunProgressBar(), timed, *trainer.pop("callbacks", [])]
        run = Trainer(
            logger=CSVLogger(folder),
            max_epochs=epochs + 1,
            gradient_clip_val=given.gradient_clip_val,
            log_every_n_steps=given.log_every_n_steps,
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=callbacks,
            **{"accelerator": "cpu", "devices": 1, **trainer},
        )
        run.fit(made.model, SyntheticClips(clips, batch_size))
    return timed


def _steps(bare: TrainingSteps, batches: Sequence[Any]) -> None:
    for batch in batches:
        bare.step(batch)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(start: tuple[float, float]) -> Timing:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    wall, cpu = _now()
    return Timing(wall - start[0], cpu - start[1])
