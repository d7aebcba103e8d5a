"""A clip's files, read by threads while networks run on the clips before it."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from v2a_lightning.evaluation.features import Sound
from v2a_lightning.evaluation.frames import ClipFrames, FrameSampling, Pictures
from v2a_lightning.media import read_waveform

Item = TypeVar("Item")
Read = TypeVar("Read")
READERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class ClipFiles:
    """The files of one clip, and what comes with them.

    Args:
        clip_id: the clip.
        generated: its generated sound.
        reference: its own sound, which may be in the video.
        video: its video or picture.
        text: what it is labelled.
        sampling: which frames of the video are compared with the sound.
        embeddings: (T, D) of these frames, where the clip-score's CLIP has embedded them before.
    """

    clip_id: str
    generated: Path
    reference: Path | None = None
    video: Path | None = None
    text: str | None = None
    sampling: FrameSampling | None = None
    embeddings: Tensor | None = None

    @property
    def frames_described(self) -> str:
        """The frames, for cards."""
        return "" if self.sampling is None or self.video is None else self.sampling.describe(self.video)


def read_files(clip: ClipFiles, clip_frames: ClipFrames | None) -> tuple[Sound, Sound | None, Pictures | None]:
    """A clip's sounds, and its frames where `clip_frames` has to embed them; or MediaError."""
    sounds = read_waveform(clip.generated), None if clip.reference is None else read_waveform(clip.reference)
    if clip_frames is None or clip.embeddings is not None or clip.video is None or clip.sampling is None:
        return *sounds, None
    return *sounds, clip_frames.pictures(clip.video, clip.sampling)


def frame_embeddings(clip: ClipFiles, pictures: Pictures | None, clip_frames: ClipFrames | None) -> Tensor | None:
    """(T, D) of a clip's frames; None where there are none."""
    if clip_frames is None or clip.embeddings is not None or clip.video is None or clip.sampling is None:
        return clip.embeddings
    return clip_frames.embed(clip.video, clip.sampling, pictures)


def ahead(items: Iterable[Item], read: Callable[[Item], Read]) -> Iterator[tuple[Item, Future[Read]]]:
    """Items in their order, each with what becomes of `read(item)`; threads are `READERS` items ahead."""
    coming: deque[tuple[Item, Future[Read]]] = deque()
    with ThreadPoolExecutor(READERS) as threads:
        try:
            for item in items:
                coming.append((item, threads.submit(read, item)))
                if len(coming) > READERS:
                    yield coming.popleft()
            while coming:
                yield coming.popleft()
        finally:
            for _, future in coming:
                future.cancel()
