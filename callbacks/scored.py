"""What stands beside the sounds of an evaluation, so that anybody can make its numbers again from the files."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import LightningModule
from torch import Tensor

from v2a_lightning import __version__
from v2a_lightning.callbacks.sharing import MappedClip
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.score_files import ScoreFile
from v2a_lightning.evaluation.seeing import FrameReader, frames_in_words
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.files import atomic_write
from v2a_lightning.generation import describe_generator, describe_mapper
from v2a_lightning.generators import Generator
from v2a_lightning.module import V2AMapper
from v2a_lightning.specs import FrameSpec

SCORES_FILE = "scores.json"
OPTIONS_FILE = "evaluate.yaml"


class Watching:
    """Which frames belong to the clips of a data module, as the `evaluate` command sees them.

    The films are looked at again, each by itself: what a store keeps is rounded and was embedded beside other clips,
    which moves a CLIP-score by more than a millionth. A finished store without encoders and films has only its own.

    Args:
        data: the data module.
        device: where CLIP runs.
    """

    def __init__(self, data: Any, device: str) -> None:
        self.data = data
        encoders = getattr(data, "encoders", None)
        spec = encoders.spec() if encoders is not None else getattr(data, "spec", None)
        self.tower = None if spec is None else spec.frames
        self.frames = None if spec is None else FrameSpec.from_key(spec.frames.spec)
        self.reader: FrameReader | None = None
        if encoders is not None:
            self.reader = FrameReader(
                encoders.encoder, encoders.frames.frames_per_second, encoders.frames.duration, device
            )
        self._seen: dict[str, Tensor] = {}

    def frames_of(self, clip: MappedClip, keep: bool) -> Tensor:
        """(T, D) CLIP embeddings; kept for the next time if that comes.

        Raises:
            MediaError: when the film or picture cannot be read.
        """
        if self.reader is None:
            return clip.frames
        if clip.clip_id in self._seen:
            return self._seen[clip.clip_id]
        frames = self.reader.read(self.data.source(clip.clip_id))
        if keep:
            self._seen[clip.clip_id] = frames
        return frames

    def describe(self, clip_ids: Sequence[str]) -> str:
        """For metric cards."""
        if self.frames is None or self.tower is None:
            return ""
        sources = []
        for clip_id in clip_ids:
            # A clip without a file is one that fails; the others are described.
            with suppress(UsageError):
                sources.append(self.data.source(clip_id))
        return frames_in_words(self.frames.frames_per_second, self.frames.duration, self.tower.fingerprint, sources)

    @property
    def options(self) -> dict[str, Any]:
        """What the `evaluate` command is to be given to look at the same frames."""
        if self.frames is None or self.tower is None:
            return {}
        return {"clip": self.tower.encoder.partition(":")[2], "frames_per_second": self.frames.frames_per_second}


def describe_making(generator: Generator, mapper: LightningModule, seed: int, seconds: float) -> dict[str, Any]:
    """How the sounds of an evaluation are made, for their folder and the metric cards."""
    by_mapper = describe_mapper(mapper) if isinstance(mapper, V2AMapper) else {}
    return {
        "made_by": f"v2a_lightning {__version__}, evaluation of a run",
        "seed": seed,
        "seconds": seconds,
        **describe_generator(generator),
        **by_mapper,
    }


def write_scores(folder: Path, name: str, suite: EvaluationSuite) -> None:
    """Write the numbers with their cards, as `compare` takes them. No resamples are drawn: a training has no time."""
    file = ScoreFile(name, suite.scores(), suite.cards(), resamples=0, seed=0, notes=suite.faults())
    file.write(folder / SCORES_FILE)


def write_options(folder: Path, suite: EvaluationSuite, watching: Watching, clip_ids: Sequence[str]) -> None:
    """Write the options with which the `evaluate` command makes the same numbers from the same files."""
    data = watching.data
    # Class folders have a folder in common, from which their pictures are found.
    media = os.path.commonpath([os.path.abspath(data.source(clip_id).parent) for clip_id in clip_ids])
    options: dict[str, Any] = {"generated": os.path.abspath(folder), "media": media}
    if data.has_audio:
        options["reference"] = media
    options |= suite.options | watching.options
    if "clap" in options and hasattr(data, "csv"):
        options["csv"] = os.path.abspath(data.csv)
    with atomic_write(folder / OPTIONS_FILE) as temporary:
        head = f"# python -m v2a_lightning evaluate --config {OPTIONS_FILE}\n"
        temporary.write_text(head + yaml.safe_dump(options, sort_keys=False))
