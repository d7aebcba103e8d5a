"""CLIP embeddings of a clip's frames, for the CLIP-score."""

from collections.abc import Iterable
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from v2a_lightning.evaluation.hearing import FeatureCache, content_sha256
from v2a_lightning.specs import FrameSpec

if TYPE_CHECKING:
    from v2a_lightning.encoders import ClipEncoder


def frames_in_words(
    frames_per_second: float, seconds: float | None, fingerprint: str, media: Iterable[Path | str]
) -> str:
    """For metric cards: which frames were seen by the CLIP with a fingerprint.

    The CLIP's name is left out: two names of one network must not keep two numbers from being compared. Nor does it
    matter to pictures how densely films would have been looked at.

    Args:
        frames_per_second: how densely films are looked at.
        seconds: how much of a film is looked at, from its start; None for all of it.
        fingerprint: of the CLIP.
        media: what was looked at.
    """
    from v2a_lightning.media import is_picture

    if all(is_picture(path) for path in media):
        return f"the picture, clip:{fingerprint[:16]}"
    part = "all of the film" if seconds is None else f"the first {seconds:g} s"
    return f"{frames_per_second:g} a second of {part}, clip:{fingerprint[:16]}"


class FrameReader:
    """Reads films and pictures and looks at them with CLIP.

    Args:
        clip: the CLIP, or its checkpoint.
        frames_per_second: how densely films are looked at.
        seconds: how much of a film is looked at, from its start; None for all of it.
        device: where CLIP runs.
        cache: folder that keeps embeddings by content; None keeps nothing.
    """

    def __init__(
        self,
        clip: "ClipEncoder | str",
        frames_per_second: float,
        seconds: float | None,
        device: str,
        cache: Path | None = None,
    ) -> None:
        self.clip, self.device = clip, device
        self.frames_per_second, self.seconds = frames_per_second, seconds
        self.cache = FeatureCache(cache)

    def describe(self, media: Iterable[Path]) -> str:
        """For metric cards: which frames of these films and pictures, seen by which CLIP."""
        return frames_in_words(self.frames_per_second, self.seconds, self._fingerprint, media)

    def read(self, path: Path) -> Tensor:
        """(T, D) embeddings of a film's frames, L2-normalised; T = 1 for a picture.

        Raises:
            MediaError: when the file cannot be read.
        """
        from v2a_lightning.media import is_picture, probe, read_frames

        seconds = self.seconds
        if seconds is None:
            seconds = 1.0 if is_picture(path) else probe(path).duration
        frames = read_frames(path, FrameSpec(self.frames_per_second, seconds))
        key = f"{self._fingerprint}/{frames.shape}/{content_sha256(frames)}"
        return self.cache.recall(key, lambda: {"frames": self._encoder.encode_frames(frames).float().cpu()})["frames"]

    @cached_property
    def _encoder(self) -> Any:
        from v2a_lightning.encoders import ClipEncoder

        # A copy, which loads weights of its own: whoever else uses the encoder may have it on another device.
        encoder = ClipEncoder(self.clip) if isinstance(self.clip, str) else copy(self.clip)
        return encoder.to(self.device)

    @cached_property
    def _fingerprint(self) -> str:
        return str(self._encoder.fingerprint)
