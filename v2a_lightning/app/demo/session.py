"""What the demo's page computes: frames with their weights, sounds with their spectrograms, and neighbours."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from v2a_lightning.app.demo.explanation import Neighbours, frame_weights
from v2a_lightning.encoders.log_mel import MelSpec, audioldm_log_mel
from v2a_lightning.media import copy_with_sound, is_picture
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.randomness import clip_seed
from v2a_lightning.request import OnProgress
from v2a_lightning.sources import read_windows
from v2a_lightning.steering import Steering

# Of a long video.
SECONDS = 30.0
# Of the pipeline's call, in the order in which `Steering` takes them.
STEERING = ("prompt", "negative_prompt", "prompt_strength", "negative_strength", "prompt_space")

# Of a spectrogram.
WINDOW, COLUMNS, BANDS, LOWEST_HERTZ, RANGE_DB = 1024, 400, 96, 40.0, 70.0


@dataclass(frozen=True)
class Sample:
    """A sound's file, its spectrogram as RGB (H, W, 3), and of a video a copy of it with the sound."""

    sound: Path
    spectrogram: NDArray[np.uint8]
    video: Path | None


class DemoSession:
    """A pipeline as the page uses it: `load` beside one other call.

    Args:
        pipeline: makes the sounds.
        neighbours: what a target is compared with, if there is something.
        folder: where sounds are written.
    """

    def __init__(self, pipeline: V2APipeline, neighbours: Neighbours | None, folder: Path) -> None:
        self.pipeline = pipeline
        self.neighbours = neighbours
        self.folder = folder
        self._numbers = count()
        self._generator = Lock()

    def load(self) -> None:
        """Read the generator's weights, so that the first sound does not wait for them."""
        with self._generator:
            self.pipeline.generator.load()

    def frames(self, source: Path) -> list[tuple[NDArray[np.uint8], str]]:
        """The frames of the first window, each with the share it has in what the mapper is given."""
        frames = next(read_windows(source, self._seconds(source), self.pipeline.frames))
        weights = None if len(frames) == 1 else frame_weights(self.pipeline, frames)
        times = [f"{time:.2f} s" for time in self.pipeline.frames.times] if len(frames) > 1 else [""]
        notes = times if weights is None else [f"{weight:.0%}" for weight in weights]
        return list(zip(frames, notes, strict=True))

    def make(self, source: Path, options: Mapping[str, Any], on_progress: OnProgress | None = None) -> list[Sample]:
        """Make the sounds of a picture or clip.

        Args:
            source: its file.
            options: of the pipeline's call.
            on_progress: as that takes it.

        Raises:
            V2AError: when that cannot be done; and whatever `on_progress` raises.
        """
        seconds = None if is_picture(source) else SECONDS
        with self._generator:
            waveforms = self.pipeline(source, **options, seconds=seconds, on_progress=on_progress)
        paths = self.pipeline.save(waveforms, self.folder / str(next(self._numbers)) / f"{source.stem}.wav")
        pictures = spectrograms(waveforms, self.pipeline.sample_rate)
        videos = [self._copy(source, one.numpy(), path) for one, path in zip(waveforms, paths, strict=True)]
        return [Sample(*one) for one in zip(paths, pictures, videos, strict=True)]

    def nearest(self, source: Path, options: Mapping[str, Any]) -> list[tuple[str, float]]:
        """What the target of the first candidate of the first sound lies near."""
        if self.neighbours is None:
            return []
        steering = Steering(*(options[name] for name in STEERING))
        frames = next(read_windows(source, self._seconds(source), self.pipeline.frames))
        target = self.pipeline.embed(frames, [clip_seed(options["seed"] or 0, source.stem)], steering)
        return self.neighbours.nearest(target)

    def _seconds(self, source: Path) -> float:
        return self.pipeline.seconds_of(source, None if is_picture(source) else SECONDS)

    def _copy(self, source: Path, waveform: NDArray[np.float32], sound: Path) -> Path | None:
        if is_picture(source):
            return None
        return copy_with_sound(source, waveform, self.pipeline.sample_rate, sound.parent, sound.stem, seconds=SECONDS)


def spectrograms(waveforms: Tensor, sample_rate: int) -> NDArray[np.uint8]:
    """Log-mel pictures (B, H, W, 3) of waveforms (B, N), low tones at the bottom, on one scale."""
    from matplotlib import colormaps

    filled = pad(waveforms, (0, max(0, WINDOW - waveforms.shape[1])))
    hop = max(64, filled.shape[1] // COLUMNS)
    mel = audioldm_log_mel(filled, MelSpec(sample_rate, WINDOW, hop, BANDS, LOWEST_HERTZ, sample_rate / 2))
    decibels = 20 / math.log(10) * mel.transpose(1, 2).flip(1)
    shade = ((decibels - decibels.max() + RANGE_DB) / RANGE_DB).clamp(0, 1)
    return (colormaps["magma"](shade.numpy())[..., :3] * 255).astype(np.uint8)
