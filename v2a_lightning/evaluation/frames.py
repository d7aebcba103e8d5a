"""CLIP embeddings of a clip's frames, for the CLIP-score."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.encoders import ClipEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.features import FeatureCache, NetworkFeatures, content_sha256
from v2a_lightning.media import is_picture, probe, read_frames
from v2a_lightning.specs import FrameSpec

PICTURE = "the picture"
CACHED_VIDEOS = 1024
Pictures = NDArray[np.uint8]


@dataclass(frozen=True)
class FrameSampling:
    """Which frames of a video are compared with its sound: of the first `seconds`, or of all of it when None."""

    frames_per_second: float
    seconds: float | None

    def describe(self, video: Path) -> str:
        """For metric cards."""
        if is_picture(video):
            return PICTURE
        part = "all of the video" if self.seconds is None else f"the first {self.seconds:g} s"
        return f"{self.frames_per_second:g} a second of {part}"

    def read(self, video: Path) -> Pictures:
        """(T, H, W, 3); T = 1 for a picture."""
        seconds = self.seconds
        if seconds is None:
            seconds = 1.0 if is_picture(video) else probe(video).duration
        return read_frames(video, FrameSpec(self.frames_per_second, seconds))


class ClipFrames:
    """The CLIP in whose space Wav2CLIP's embeddings lie, and its embeddings of frames, kept by content in `cache`."""

    def __init__(self, checkpoint: str, device: torch.device | str, cache: FeatureCache) -> None:
        self.checkpoint, self.device, self.cache = checkpoint, device, cache
        # Videos that are evaluated every epoch are decoded once.
        self._kept: dict[tuple[Path, FrameSampling], Tensor] = {}

    def to(self, device: torch.device | str) -> None:
        """Move the CLIP."""
        self.device = device
        if "encoder" in vars(self):
            self.encoder.to(device)

    @cached_property
    def encoder(self) -> ClipEncoder:
        """The CLIP."""
        return ClipEncoder(self.checkpoint).to(self.device)

    @cached_property
    def fingerprint(self) -> str:
        """Of its weights and preprocessing."""
        return str(self.encoder.fingerprint)

    def describe(self, sampled: Iterable[str]) -> str:
        """For metric cards: the frames of clips as `FrameSampling.describe` says them, and the CLIP; "" of none.

        Two names of one CLIP must not keep two numbers apart. Beside videos, pictures are not mentioned.
        """
        different = sorted(set(sampled) - {""})
        shown = [one for one in different if one != PICTURE] or different
        return f"{', '.join(shown)}, clip:{self.fingerprint[:16]}" if shown else ""

    def pictures(self, video: Path, sampling: FrameSampling) -> Pictures | None:
        """A video's frames; None where their embeddings are known."""
        return None if (video, sampling) in self._kept else sampling.read(video)

    def embed(self, video: Path, sampling: FrameSampling, pictures: Pictures | None = None) -> Tensor:
        """(T, D) embeddings of a video's frames, L2-normalised; `pictures` are the frames, where they are read."""
        if (kept := self._kept.get((video, sampling))) is not None:
            return kept
        frames = sampling.read(video) if pictures is None else pictures
        key = f"{self.fingerprint}/{frames.shape}/{content_sha256(frames)}"
        made = self.cache.recall(key, lambda: {"frames": self.encoder.encode_frames(frames).float().cpu()})
        if len(self._kept) == CACHED_VIDEOS:
            del self._kept[next(iter(self._kept))]
        return self._kept.setdefault((video, sampling), made["frames"])


def default_clip(wav2clip: str) -> str:
    """The CLIP that a Wav2CLIP was trained against: the miniature's, or OpenAI's ViT-B/32."""
    return "miniature" if wav2clip == "miniature" else "openai/ViT-B-32"


def require_width(clip: ClipFrames, wav2clip: NetworkFeatures) -> None:
    """Raise UsageError unless the CLIP-score's two networks share one space."""
    expected = wav2clip.network.config.embedding
    if clip.encoder.embedding_dim != expected:
        raise UsageError(
            f"the CLIP-score's clip, {clip.checkpoint}, is {clip.encoder.embedding_dim} wide and Wav2CLIP's space "
            f"{expected}; name the CLIP that Wav2CLIP was trained against, whatever the data is embedded with"
        )
