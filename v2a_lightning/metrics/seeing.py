"""CLIP embeddings of a clip's frames, for the CLIP-score."""

from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from v2a_lightning.metrics.hearing import FeatureCache, content_sha256
from v2a_lightning.specs import FrameSpec


class FrameReader:
    """Reads films and pictures and looks at them with CLIP.

    Args:
        clip: checkpoint of `v2a_lightning.foundation.ClipEncoder`.
        frames_per_second: how densely films are looked at.
        seconds: how much of a film is looked at, from its start; None for all of it.
        device: where CLIP runs.
        cache: folder that keeps embeddings by content; None keeps nothing.
    """

    def __init__(
        self, clip: str, frames_per_second: float, seconds: float | None, device: str, cache: Path | None
    ) -> None:
        self.checkpoint, self.device = clip, device
        self.frames_per_second, self.seconds = frames_per_second, seconds
        self.cache = FeatureCache(cache)

    @property
    def description(self) -> str:
        """For metric cards: which frames, seen by which CLIP."""
        part = "all of the film" if self.seconds is None else f"the first {self.seconds:g} s"
        return f"{self.frames_per_second:g} a second of {part}, clip:{self.checkpoint} {self._fingerprint[:16]}"

    def read(self, path: Path) -> Tensor:
        """(T, D) embeddings of a film's frames, L2-normalised; T = 1 for a picture.

        Raises:
            MediaError: when the file cannot be read.
        """
        from v2a_lightning.media import is_picture, probe, read_frames

        seconds = self.seconds or (1.0 if is_picture(path) else probe(path).duration)
        frames = read_frames(path, FrameSpec(self.frames_per_second, seconds))
        key = f"{self._fingerprint}/{frames.shape}/{content_sha256(frames)}"
        return self.cache.recall(key, lambda: {"frames": self._encoder.encode_frames(frames).float().cpu()})["frames"]

    @cached_property
    def _encoder(self) -> Any:
        from v2a_lightning.foundation import ClipEncoder

        return ClipEncoder(self.checkpoint).to(self.device)

    @cached_property
    def _fingerprint(self) -> str:
        return str(self._encoder.fingerprint)
