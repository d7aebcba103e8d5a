"""What Weights & Biases and TensorBoard show of an evaluation: sounds, spectrograms, frames, a table of scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from numpy.typing import NDArray

from v2a_lightning.media import read_frames, read_waveform, resample
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.pages import spectrograms, strip
from v2a_lightning.specs import FrameSpec

STRIP_FRAMES = 4
Picture = NDArray[np.uint8]
Sound = NDArray[np.float32]


class MediaLogger(Protocol):
    """A logger that shows more than numbers. Captions belong to the sounds and pictures before them."""

    def log_sounds(self, name: str, waveforms: Sequence[Sound], rate: int, captions: Sequence[str], step: int) -> None:
        """Waveforms (N,) in [-1, 1]."""

    def log_pictures(self, name: str, pictures: Sequence[Picture], captions: Sequence[str], step: int) -> None:
        """Pixels (H, W, 3)."""

    def log_table(self, name: str, rows: Mapping[str, float], step: int) -> None:
        """Values by their headings."""


@dataclass(frozen=True)
class WandbMedia:
    """Weights & Biases."""

    logger: WandbLogger

    def log_sounds(self, name: str, waveforms: Sequence[Sound], rate: int, captions: Sequence[str], step: int) -> None:
        self.logger.log_audio(name, [*waveforms], step, sample_rate=[rate] * len(waveforms), caption=[*captions])

    def log_pictures(self, name: str, pictures: Sequence[Picture], captions: Sequence[str], step: int) -> None:
        self.logger.log_image(name, [*pictures], step, caption=[*captions])

    def log_table(self, name: str, rows: Mapping[str, float], step: int) -> None:
        self.logger.log_table(name, ["score", "value"], [[*row] for row in rows.items()], step=step)


@dataclass(frozen=True)
class TensorBoardMedia:
    """TensorBoard, which has a tag for each caption."""

    logger: TensorBoardLogger

    def log_sounds(self, name: str, waveforms: Sequence[Sound], rate: int, captions: Sequence[str], step: int) -> None:
        for caption, waveform in zip(captions, waveforms, strict=True):
            self.logger.experiment.add_audio(f"{name}/{caption}", waveform[None], step, rate)

    def log_pictures(self, name: str, pictures: Sequence[Picture], captions: Sequence[str], step: int) -> None:
        for caption, picture in zip(captions, pictures, strict=True):
            self.logger.experiment.add_image(f"{name}/{caption}", picture, step, dataformats="HWC")

    def log_table(self, name: str, rows: Mapping[str, float], step: int) -> None:
        lines = ["| score | value |", "| --- | --- |", *(f"| {row} | {value:.4g} |" for row, value in rows.items())]
        self.logger.experiment.add_text(name, "\n".join(lines), step)


def media_loggers(loggers: Sequence[Logger]) -> list[MediaLogger]:
    """Those of the loggers that show more than numbers."""
    wandb: list[MediaLogger] = [WandbMedia(one) for one in loggers if isinstance(one, WandbLogger)]
    return wandb + [TensorBoardMedia(one) for one in loggers if isinstance(one, TensorBoardLogger)]


@dataclass(frozen=True)
class LoggedClip:
    """A clip that is shown.

    Args:
        caption: what it is.
        generated: the generated sound's file.
        source: the clip's own file.
    """

    caption: str
    generated: Path
    source: Path


def log_evaluation(
    loggers: Sequence[MediaLogger],
    stage: str,
    step: int,
    clips: Sequence[LoggedClip],
    scores: Mapping[str, float],
    seconds: float,
    has_audio: bool,
) -> None:
    """Log clips and scores.

    Args:
        loggers: where to.
        stage: before the names.
        step: of the training.
        clips: whose sounds and frames are shown.
        scores: by name.
        seconds: how much of a clip is shown.
        has_audio: whether clips have sounds of their own.
    """
    captions = [clip.caption for clip in clips]
    read = [read_waveform(clip.generated) for clip in clips]
    sounds = {"generated": [waveform for waveform, _ in read]}
    rate = read[0][1] if read else 0
    if has_audio:
        sounds["true"] = [_true_sound(clip.source, seconds, rate) for clip in clips]
    pictures = {f"{name}_spectrograms": spectrograms(waveforms, rate) for name, waveforms in sounds.items() if clips}
    pictures["frames"] = [_frames(clip.source, seconds) for clip in clips]
    for logger in loggers:
        for name, waveforms in sounds.items():
            logger.log_sounds(f"{stage}/{name}_sounds", waveforms, rate, captions, step)
        for name, shown in pictures.items():
            logger.log_pictures(f"{stage}/{name}", shown, captions, step)
        logger.log_table(f"{stage}/scores", {measure(name).heading: value for name, value in scores.items()}, step)


def _true_sound(source: Path, seconds: float, rate: int) -> Sound:
    waveform, native = read_waveform(source)
    sound: Any = resample(waveform[: round(seconds * native)], native, rate)
    return np.asarray(sound, np.float32)


def _frames(source: Path, seconds: float) -> Picture:
    """A clip's frames beside one another."""
    return np.concatenate(strip(read_frames(source, FrameSpec(STRIP_FRAMES / seconds, seconds)), STRIP_FRAMES), axis=1)
