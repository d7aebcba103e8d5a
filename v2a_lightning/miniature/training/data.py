"""What the foundation models learn from: sounds, and pictures with captions, made once and memory-mapped."""

import io
from collections.abc import Callable, Iterator
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
from v2a_lightning.miniature.world.pictures import FRAMES, frames_in_view, moment, paint
from v2a_lightning.miniature.world.scenes import (
    DURATION,
    PICTURE_SIZE,
    SAMPLE_RATE,
    ClipDescription,
    Scene,
    captions,
    describe_clip,
)
from v2a_lightning.miniature.world.sounds import synthesise
from v2a_lightning.processes import spawned_processes

FRAMES_PER_CLIP = 4


@dataclass(frozen=True)
class _Clips:
    """The first `count` clips of a split ("train" or "test") of the world `seed`; arrays are kept in `folder`."""

    folder: Path
    split: str
    count: int
    seed: int = 0

    @cached_property
    def clips(self) -> list[ClipDescription]:
        """What is in each clip."""
        return [describe_clip(self.seed, self.split, index) for index in range(self.count)]

    def _array(self, kind: str, shape: tuple[int, ...], make: Callable[[int, str, int], NDArray[Any]]) -> NDArray[Any]:
        """(count, *shape) memory-mapped; `make(seed, split, number)` makes each row on first use, on all cores."""
        path = self.folder / f"{kind}-{self.seed}-{self.split}-{self.count}.npy"
        if not path.exists():
            with atomic_write(path) as temporary, spawned_processes() as pool:
                dtype = np.uint8 if kind == "frames" else np.int16
                rows = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=(self.count, *shape))
                reserve(temporary)
                made = pool.map(partial(make, self.seed, self.split), range(self.count), chunksize=32)
                for index, row in enumerate(made):
                    rows[index] = row
                rows.flush()
        return np.asarray(np.load(path, mmap_mode="r"))


class Sounds(_Clips):
    """The clips' mono waveforms and events."""

    @cached_property
    def events(self) -> Tensor:
        """(count,) index of each clip's true event."""
        return torch.tensor([EVENT_NAMES.index(clip.event) for clip in self.clips])

    @cached_property
    def single(self) -> NDArray[np.int64]:
        """(n,) indices of the clips with one scene."""
        return np.flatnonzero([len(clip.scenes) == 1 for clip in self.clips])

    @cached_property
    def waveforms(self) -> NDArray[np.int16]:
        """(count, samples) 16-bit mono, memory-mapped."""
        return self._array("waves", (round(DURATION * SAMPLE_RATE),), _mono)

    def batch(self, indices: NDArray[np.int64]) -> Tensor:
        """(B, samples) float32 waveforms in [-1, 1] for indices (B,)."""
        return torch.from_numpy(self.waveforms[indices].astype(np.float32) / 32767)

    def batches(self, size: int, count: int | None = None) -> Iterator[Tensor]:
        """The first `count` waveforms (all when None) in order, as (size, samples)."""
        stop = self.count if count is None else min(count, self.count)
        for begin in range(0, stop, size):
            yield self.batch(np.arange(begin, min(begin + size, stop)))


class Pictures(_Clips):
    """`FRAMES_PER_CLIP` frames of each clip, with captions of what they show."""

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """(count, FRAMES_PER_CLIP, 96, 96, 3) uint8 RGB, memory-mapped."""
        return self._array("frames", (FRAMES_PER_CLIP, PICTURE_SIZE, PICTURE_SIZE, 3), _some_frames)

    def batch(self, clips: NDArray[np.int64], frames: NDArray[np.int64]) -> Tensor:
        """(B, 96, 96, 3) uint8: kept frame `frames[i]` of clip `clips[i]`, both (B,)."""
        return torch.from_numpy(self.frames[clips, frames])

    def caption(self, clip: int, frame: int, random: np.random.Generator) -> str:
        """One of the wordings for what a kept frame shows."""
        description = self.clips[clip]
        number = chosen_frames(description)[frame]
        scene = description.scenes[moment(description, number).number]
        if number not in frames_in_view(description):
            return f"an empty {scene.background}"
        return str(random.choice(scene_captions(scene), p=[0.45, 0.2, 0.2, 0.15]))


def scene_captions(scene: Scene) -> list[str]:
    """The wordings a person would use for one scene, the last of them with its colour."""
    wordings = captions(ClipDescription("x_000000", "train", "flat", scene.event, (scene,), 1.0))
    return [*wordings, f"{scene.colour} {scene.event}"]


def chosen_frames(clip: ClipDescription) -> list[int]:
    """Numbers of the frames that are kept, spread over the clip, another phase for every clip."""
    phase = clip.scenes[0].seed % (FRAMES // FRAMES_PER_CLIP)
    return [phase + index * (FRAMES // FRAMES_PER_CLIP) for index in range(FRAMES_PER_CLIP)]


def kept_array(path: Path, make: Callable[[], list[NDArray[Any]]]) -> NDArray[Any]:
    """The concatenated parts that `make` gives, kept as a .npy file and memory-mapped; RunFailure for a full disk."""
    if not path.exists():
        content = io.BytesIO()
        np.save(content, np.concatenate(make()))
        with atomic_write(path) as temporary:
            temporary.write_bytes(content.getbuffer())
    return np.asarray(np.load(path, mmap_mode="r"))


def _mono(seed: int, split: str, index: int) -> NDArray[np.int16]:
    waveform = synthesise(describe_clip(seed, split, index)).mean(0)
    return np.asarray(np.round(waveform * 32767), np.int16)


def _some_frames(seed: int, split: str, index: int) -> NDArray[np.uint8]:
    clip = describe_clip(seed, split, index)
    return paint(clip)[chosen_frames(clip)]
