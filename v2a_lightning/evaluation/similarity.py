"""Cosines between frames, sounds and texts: CLIP-score and CLAP-score, x100."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.distances import cosines
from v2a_lightning.evaluation.metric import ClipMetric

PERCENT = 100.0


class ClipScore(ClipMetric):
    """100 x cosine of sound and frame, mean over frames, then over clips: `update(audio (N, D), frames=N x (T, D))`.

    Example:
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
        """Sound (D,) and frames (T, D) of one clip."""
        if generated.ndim != 1 or frames.ndim != 2 or not len(frames) or frames.shape[1] != len(generated):
            shapes = f"{tuple(generated.shape)} and {tuple(frames.shape)}"
            raise ValueError(f"a clip has audio (D,) and frames (T > 0, D), not {shapes}")
        audio, frames = generated.detach().double().cpu(), frames.detach().double().cpu()
        return PERCENT * self.cosine(F.normalize(audio, dim=0), F.normalize(frames, dim=1))

    def cosine(self, audio: Tensor, frames: Tensor) -> float:
        """Of a sound (D,) and frames (T, D), all of length 1."""
        return float((frames @ audio).mean())


class ClipScoreOfMeanFrame(ClipScore):
    """100 x the cosine of a sound and the mean of a clip's normalised frames, mean over clips.

    It is `ClipScore` divided by the length of that mean, so its size is never the smaller one.

    Example:
        >>> metric = ClipScoreOfMeanFrame()
        >>> metric.update(torch.tensor([[2.0, 0.0]]), frames=[torch.tensor([[3.0, 0.0], [0.0, 5.0]])])
        >>> round(float(metric.compute()), 4)  # the mean frame stands at 45 degrees
        70.7107
    """

    name, title, headline = "cs_mean_frame", "CS mean frame", False
    formula = "100 x cosine of Wav2CLIP and the mean of a clip's normalised frames"
    meaning = ""

    def cosine(self, audio: Tensor, frames: Tensor) -> float:
        """Of a sound (D,) and frames (T, D), all of length 1."""
        return float(F.normalize(frames.mean(0), dim=0) @ audio)


class ClapAudioScore(ClipMetric):
    """100 x mean cosine of CLAP embeddings of generated and reference sound, (N, D) each.

    Example:
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
    """100 x mean cosine of CLAP embeddings of generated sound and text: `update(audio (N, D), text=(N, D))`.

    Example:
        >>> metric = ClapTextScore()
        >>> metric.update(torch.tensor([[1.0, 0.0]]), text=torch.tensor([[0.0, 2.0]]))
        >>> float(metric.compute())
        0.0
    """

    name, title = "clap_text", "CLAP text"
    formula = "100 x cosine of generated sound and the clip's text, mean"
    needs: ClassVar = {"generated": "clap/embedding", "text": "clap/text"}
