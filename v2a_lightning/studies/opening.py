"""A finished training opened again: its data, its mapper with the trained weights, its models, without a Trainer."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from v2a_lightning.encoders import ClipEncoder
from v2a_lightning.errors import RunFailure
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.generators import AudioLDM
from v2a_lightning.module import V2AMapper
from v2a_lightning.randomness import clip_seed, generators
from v2a_lightning.studies.plan import Run


@dataclass
class Opened:
    """What a training was made of.

    Args:
        mapper: with the weights of its last checkpoint, the averaged ones where there are any.
        data: its data module, set up.
        evaluation: its callback for sound.
    """

    mapper: V2AMapper
    data: Any
    evaluation: Any

    @property
    def audioldm(self) -> AudioLDM:
        """What makes sound."""
        return self.evaluation.generator

    @property
    def suite(self) -> EvaluationSuite:
        """What scores it."""
        return self.evaluation.suite

    @property
    def clip(self) -> ClipEncoder:
        """What sees."""
        return self.data.encoders.encoder

    @property
    def seconds(self) -> float:
        """Length of a sound."""
        return float(self.evaluation.seconds)

    def batches(self, split: Literal["fit", "validate", "test"] = "validate") -> Iterator[dict[str, Any]]:
        """Batches of the training ("fit"), validation or test clips; those of training in an order of their own."""
        with _quietly():
            self.data.setup(split)
        loaders = {
            "fit": self.data.train_dataloader,
            "validate": self.data.val_dataloader,
            "test": self.data.test_dataloader,
        }
        yield from loaders[split]()

    def sample(self, batch: dict[str, Any], mapper: V2AMapper | None = None, **options: Any) -> Tensor:
        """(B, 512) an embedding for each clip of a batch, drawn as validation draws it."""
        mapper = mapper or self.mapper
        own = generators([clip_seed(mapper.seed, clip_id) for clip_id in batch["clip_id"]])
        return mapper.sample(batch["frames"], batch["frame_mask"], generator=own, **options).flatten(1)


def open_run(run: Run, further: Sequence[str] = (), trained: bool = True) -> Opened:
    """Open a training.

    Args:
        run: the training.
        further: options over its own, such as another data set.
        trained: whether the mapper gets the trained weights; else it is as it began.

    Raises:
        RunFailure: when it has left no checkpoint.
    """
    from v2a_lightning.app.lightning_cli import MapperCLI

    if trained and not run.checkpoint.is_file():
        raise RunFailure(f"{run.folder} has no checkpoint, so nothing can be asked of this training")
    kept = [one for one in run.arguments[1:] if not one.startswith(("--run.", "--ckpt_path"))]
    with _quietly():
        cli = MapperCLI("validate", [*kept, *further, "--trainer.fast_dev_run=true"])
        cli.datamodule.prepare_data()
    if trained:
        checkpoint = torch.load(run.checkpoint, map_location="cpu", weights_only=True)
        cli.model.load_state_dict(checkpoint["state_dict"])
    return Opened(cli.model.eval(), cli.datamodule, cli.config_init["evaluation"])


@contextmanager
def _quietly() -> Iterator[None]:
    """What Lightning says of every run has been said when it was trained."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
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
