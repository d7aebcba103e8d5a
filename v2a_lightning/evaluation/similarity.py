"""Cosines between what is seen, heard and written: CLIP-score and CLAP-score, x100."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.evaluation.shapes import check_features
from v2a_lightning.evaluation.streams import MeanOfScores

PERCENT = 100.0


def clip_score(audio: Tensor, frames: Tensor) -> float:
    """100 x the mean over frames of the cosine between a sound and a frame: the protocol `mean_of_cosines`.

    Args:
        audio: (D,) Wav2CLIP embedding of the sound.
        frames: (T, D) CLIP embeddings of the clip's frames.
    """
    audio, frames = _checked(audio, frames)
    return PERCENT * float((F.normalize(frames, dim=1) @ F.normalize(audio, dim=0)).mean())


def clip_score_of_mean_frame(audio: Tensor, frames: Tensor) -> float:
    """100 x the cosine between a sound and the mean of the normalised frames: the protocol `cosine_of_mean`.

    It is `clip_score` divided by the length of the mean of the normalised frames, so its size is never the smaller one.
    """
    audio, frames = _checked(audio, frames)
    mean = F.normalize(frames, dim=1).mean(0)
    return PERCENT * float(F.normalize(mean, dim=0) @ F.normalize(audio, dim=0))


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """Cosine of each pair of rows: (N, D), (N, D) -> (N,) doubles."""
    check_features(first, second, minimum=0, paired=True)
    return F.cosine_similarity(first.double(), second.double(), dim=1)


class ClipScore(MeanOfScores):
    """Mean `clip_score` over clips."""

    higher_is_better = True

    def update(self, audio: Tensor, frames: Sequence[Tensor]) -> None:
        """Add sounds (N, D) and, for each, its clip's frames (T, D)."""
        self.add(torch.tensor([self.score(*pair) for pair in zip(audio, frames, strict=True)]))

    def score(self, audio: Tensor, frames: Tensor) -> float:
        """(D,), (T, D) -> score of one clip."""
        return clip_score(audio, frames)


class ClipScoreOfMeanFrame(ClipScore):
    """Mean `clip_score_of_mean_frame` over clips."""

    def score(self, audio: Tensor, frames: Tensor) -> float:
        """(D,), (T, D) -> score of one clip."""
        return clip_score_of_mean_frame(audio, frames)


class ClapScore(MeanOfScores):
    """100 x mean cosine of pairs of CLAP embeddings: sound and reference sound, or sound and text."""

    higher_is_better = True

    def update(self, first: Tensor, second: Tensor) -> None:
        """Add pairs of embeddings, (N, D) each."""
        self.add(PERCENT * cosines(first, second))


def _checked(audio: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    if audio.ndim != 1 or frames.ndim != 2 or not len(frames) or frames.shape[1] != len(audio):
        shapes = f"{tuple(audio.shape)} and {tuple(frames.shape)}"
        raise ValueError(f"a clip has audio (D,) and frames (T > 0, D), not {shapes}")
    return audio.detach().double().cpu(), frames.detach().double().cpu()
