"""The pictures CLIP learns from: a few frames of every clip, with the caption of what each of them shows."""

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.files import atomic_write, reserve
from v2a_lightning.miniature.world.pictures import frames_in_view, paint
from v2a_lightning.miniature.world.pictures.staging import FRAMES, moment
from v2a_lightning.miniature.world.scenes import PICTURE_SIZE, ClipDescription, Scene, captions, describe_clip
from v2a_lightning.processes import spawned_processes

FRAMES_PER_CLIP = 4
EMPTY = "an empty {place}"


@dataclass(frozen=True)
class Pictures:
    """`FRAMES_PER_CLIP` frames of each of the first `count` clips of a split."""

    folder: Path
    split: str
    count: int
    seed: int = 0

    @cached_property
    def clips(self) -> list[ClipDescription]:
        return [describe_clip(self.seed, self.split, index) for index in range(self.count)]

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """(count, FRAMES_PER_CLIP, 96, 96, 3) uint8 RGB, memory-mapped; painted on first use by all cores."""
        path = self.folder / f"frames-{self.seed}-{self.split}-{self.count}.npy"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as temporary:
                self._paint(temporary)
        return np.load(path, mmap_mode="r")

    def batch(self, clips: NDArray[np.int64], frames: NDArray[np.int64]) -> Tensor:
        """(B, 96, 96, 3) uint8: frame number `frames[i]` of those kept of clip `clips[i]`."""
        return torch.from_numpy(self.frames[clips, frames])

    def scene(self, clip: int, frame: int) -> Scene | None:
        """The scene whose object a kept frame shows; None where it shows none."""
        description = self.clips[clip]
        number = chosen_frames(description)[frame]
        if number not in frames_in_view(description):
            return None
        return description.scenes[moment(description, number).number]

    def caption(self, clip: int, frame: int, random: np.random.Generator) -> str:
        """One of the wordings for what a kept frame shows."""
        scene = self.scene(clip, frame)
        if scene is None:
            number = chosen_frames(self.clips[clip])[frame]
            return EMPTY.format(place=self.clips[clip].scenes[moment(self.clips[clip], number).number].background)
        return str(random.choice(scene_captions(scene), p=[0.45, 0.2, 0.2, 0.15]))

    def _paint(self, path: Path) -> None:
        shape = (self.count, FRAMES_PER_CLIP, PICTURE_SIZE, PICTURE_SIZE, 3)
        out = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        reserve(path)
        with spawned_processes() as pool:
            one = partial(_some_frames, self.seed, self.split)
            for index, frames in enumerate(pool.map(one, range(self.count), chunksize=32)):
                out[index] = frames
        out.flush()


def scene_captions(scene: Scene) -> list[str]:
    """The wordings a person would use for one scene, the last of them with its colour."""
    wordings = captions(ClipDescription("x_000000", "train", "flat", scene.event, (scene,), 1.0))
    return [*wordings, f"{scene.colour} {scene.event}"]


def chosen_frames(clip: ClipDescription) -> list[int]:
    """Numbers of the frames that are kept, spread over the clip, another phase for every clip."""
    phase = clip.scenes[0].seed % (FRAMES // FRAMES_PER_CLIP)
    return [phase + index * (FRAMES // FRAMES_PER_CLIP) for index in range(FRAMES_PER_CLIP)]


def _some_frames(seed: int, split: str, index: int) -> NDArray[np.uint8]:
    clip = describe_clip(seed, split, index)
    return paint(clip)[chosen_frames(clip)]
