"""Cosines between frames, sounds and texts: CLIP-score and CLAP-score, x100."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.distances import cosines
from v2a_lightning.evaluation.metric import ClipMetric

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


class ClipScore(ClipMetric):
    """Mean `clip_score` over clips: `update(audio (N, D), frames=N x (T, D))`.

    Example:
        >>> import torch
        >>> metric = ClipScore()
        >>> metric.update(torch.tensor([[2.0, 0.0]]), frames=[torch.tensor([[3.0, 0.0], [0.0, 5.0]])])
        >>> round(float(metric.compute()), 4)  # the mean of cosines 1 and 0
        50.0
    """

    name, title, better = "cs", "CS", "higher"
    formula = "100 x cosine of Wav2CLIP and CLIP: mean over frames, then over clips"
    meaning = "cosine of picture and generated sound, times 100"
    needs: ClassVar = {"generated": "wav2clip/audio", "frames": "clip/frames"}

    def score(self, generated: Tensor, frames: Tensor) -> float:  # type: ignore[override]
        """(D,), (T, D) -> the score of one clip."""
        return clip_score(generated, frames)


class ClipScoreOfMeanFrame(ClipScore):
    """Mean `clip_score_of_mean_frame` over clips."""

    name, title, headline = "cs_mean_frame", "CS mean frame", False
    formula = "100 x cosine of Wav2CLIP and the mean of a clip's normalised frames"
    meaning = ""

    def score(self, generated: Tensor, frames: Tensor) -> float:  # type: ignore[override]
        """(D,), (T, D) -> the score of one clip."""
        return clip_score_of_mean_frame(generated, frames)


class ClapAudioScore(ClipMetric):
    """100 x mean cosine of CLAP embeddings of generated and reference sound, (N, D) each.

    Example:
        >>> import torch
        >>> metric = ClapAudioScore()
        >>> metric.update(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [1.0, 0.0]]))
        >>> float(metric.compute())
        50.0
    """

    name, title, better, headline = "clap_audio", "CLAP audio", "higher", False
    formula = "100 x cosine of generated and reference sound, mean of pairs"
    needs: ClassVar = {"generated": "clap/embedding", "reference": "clap/embedding"}

    def score(self, **inputs: Tensor) -> Tensor:
        """(D,), (D,) -> ()."""
        return PERCENT * cosines(*(one[None] for one in inputs.values()))[0]


class ClapTextScore(ClapAudioScore):
    """100 x mean cosine of CLAP embeddings of generated sound and text: `update(audio (N, D), text=(N, D))`."""

    name, title = "clap_text", "CLAP text"
    formula = "100 x cosine of generated sound and the clip's text, mean"
    needs: ClassVar = {"generated": "clap/embedding", "text": "clap/text"}


def _checked(audio: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    if audio.ndim != 1 or frames.ndim != 2 or not len(frames) or frames.shape[1] != len(audio):
        shapes = f"{tuple(audio.shape)} and {tuple(frames.shape)}"
        raise ValueError(f"a clip has audio (D,) and frames (T > 0, D), not {shapes}")
    return audio.detach().double().cpu(), frames.detach().double().cpu()
