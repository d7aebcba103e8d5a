"""The sounds the foundation models learn from: synthesised once, kept in memory-mapped files, read at random."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.files import atomic_write, reserve
from v2a_lightning.miniature.world.events import EVENT_NAMES
from v2a_lightning.miniature.world.scenes import DURATION, SAMPLE_RATE, ClipDescription, describe_clip
from v2a_lightning.processes import spawned_processes

SAMPLES = round(DURATION * SAMPLE_RATE)


@dataclass(frozen=True)
class Sounds:
    """Clips number `first` to `first + count` of a split: what is in them and their mono waves.

    Args:
        folder: where the waves are kept.
        split: "train" or "test".
        count: number of clips.
        seed: the world's.
        first: number of the first clip.
    """

    folder: Path
    split: str
    count: int
    seed: int = 0
    first: int = 0

    @cached_property
    def clips(self) -> list[ClipDescription]:
        return [describe_clip(self.seed, self.split, self.first + index) for index in range(self.count)]

    @cached_property
    def events(self) -> Tensor:
        """(count,) index of each clip's true event."""
        return torch.tensor([EVENT_NAMES.index(clip.event) for clip in self.clips])

    @cached_property
    def single(self) -> NDArray[np.int64]:
        """Indices of the clips with one scene."""
        return np.flatnonzero([len(clip.scenes) == 1 for clip in self.clips])

    @cached_property
    def waves(self) -> NDArray[np.int16]:
        """(count, samples) 16-bit mono waves, memory-mapped; made on first use by all cores."""
        path = self.folder / f"waves-{self.seed}-{self.split}-{self.first}-{self.count}.npy"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as temporary:
                self._synthesise(temporary)
        return np.load(path, mmap_mode="r")

    def batch(self, indices: NDArray[np.int64]) -> Tensor:
        """(B, samples) float32 waves in [-1, 1]."""
        return torch.from_numpy(self.waves[indices].astype(np.float32) / 32767)

    def batches(self, size: int) -> Iterator[Tensor]:
        """All waves in order."""
        for begin in range(0, self.count, size):
            yield self.batch(np.arange(begin, min(begin + size, self.count)))

    def _synthesise(self, path: Path) -> None:
        out = np.lib.format.open_memmap(path, mode="w+", dtype=np.int16, shape=(self.count, SAMPLES))
        reserve(path)
        one = partial(_mono, self.seed, self.split)
        numbers = range(self.first, self.first + self.count)
        with spawned_processes() as pool:
            for index, wave in enumerate(pool.map(one, numbers, chunksize=64)):
                out[index] = wave
        out.flush()


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as a .npy file.

    Raises:
        RunFailure: when the disk is full, or the folder cannot be written to.
    """
    content = io.BytesIO()
    np.save(content, array)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def _mono(seed: int, split: str, index: int) -> NDArray[np.int16]:
    from v2a_lightning.miniature.world.sounds import synthesise

    return np.round(synthesise(describe_clip(seed, split, index)).mean(0) * 32767).astype(np.int16)
