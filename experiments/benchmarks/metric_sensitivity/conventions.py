"""What the choices cost in which public tools differ: the same sounds, one choice changed at a time."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.distances import frechet_distance, kernel_distance, median_bandwidth, paired_kernel_distance
from v2a_lightning.evaluation.divergence import KullbackLeibler, SplitInceptionScore, inception_score
from v2a_lightning.evaluation.extractors import load_extractor
from v2a_lightning.evaluation.extractors.frontends import power_spectrogram
from v2a_lightning.evaluation.features import Waveform
from v2a_lightning.evaluation.metric import ClipMetric
from v2a_lightning.evaluation.records import ClipRecord
from v2a_lightning.evaluation.similarity import PERCENT
from v2a_lightning.evaluation.suite import EvaluationSuite

SIDES = ("generated", "reference")
EPSILON = 1e-6  # added to probabilities by a public tool


class ReverseKL(KullbackLeibler):
    """KL from generated to reference."""

    name, title = "kl_reverse", "KL, reversed"

    def score(self, generated: Tensor, reference: Tensor) -> Tensor:
        """(C,), (C,) -> ()."""
        return super().score(reference, generated)


class PaddedKL(ClipMetric):
    """KL with a constant added to the generated sound's probabilities."""

    name, title = "kl_padded", "KL, padded"
    needs: ClassVar = {"generated": "tagger/logits", "reference": "tagger/logits"}

    def score(self, generated: Tensor, reference: Tensor) -> Tensor:
        """(C,), (C,) -> ()."""
        p, q = reference.double().softmax(0), generated.double().softmax(0) + EPSILON
        return (p * (p / q).log()).sum()


METRICS = ["default", f"{__name__}.ReverseKL", f"{__name__}.PaddedKL"]


def readings(rate: int) -> dict[str, Callable[[np.ndarray], Waveform]]:
    """Ways to read a stereo sound (2, N) at `rate`; the first is this project's."""
    return {
        "mean of the channels": lambda stereo: stereo.mean(0),
        "first channel only": lambda stereo: stereo[0],
        "FFmpeg's mono (louder by 3 dB)": lambda stereo: stereo.mean(0) * np.float32(2**0.5),
        "peak brought to 0.5": lambda stereo: _peak(stereo.mean(0)),
        "16-bit samples": lambda stereo: (np.round(stereo.mean(0) * 32767) / 32768).astype(np.float32),
        "first 2 s only": lambda stereo: stereo.mean(0)[: 2 * rate],
    }


def resamplings() -> dict[str, Callable[[Waveform], Waveform]]:
    """Ways to halve a sound's rate; the first is this project's."""
    from scipy.signal import resample_poly

    from v2a_lightning.media import resample

    return {
        "soxr HQ": lambda waveform: resample(waveform, 32_000, 16_000),
        "polyphase filter (SciPy's)": lambda waveform: resample_poly(waveform, 1, 2).astype(np.float32),
        "windowed sinc of 6 zeros (torchaudio's default)": windowed_sinc_half,
        "mean of two neighbours": lambda waveform: waveform[: len(waveform) // 2 * 2].reshape(-1, 2).mean(1),
        "every other sample, no filter": lambda waveform: waveform[::2].copy(),
    }


def windowed_sinc_half(waveform: Waveform) -> Waveform:
    """Half the rate by a Hann-windowed sinc with 6 zero crossings and cut-off at 0.99 of the new Nyquist frequency."""
    cutoff, zeros = 0.99 * 0.5, 6
    reach = int(np.ceil(zeros / cutoff))
    time = np.clip(np.arange(-reach, reach + 1) * cutoff, -zeros, zeros)
    kernel = np.sinc(time) * np.cos(np.pi * time / zeros / 2) ** 2 * cutoff
    return np.convolve(waveform, kernel, mode="same")[::2].astype(np.float32)


def distances(
    suite: EvaluationSuite, heard: Sequence[Waveform], usual: Sequence[Waveform], rate: int
) -> dict[str, float]:
    """FD, FAD, KAD and KL of the same sounds, read in two ways."""
    suite.reset()
    for index, (one, own) in enumerate(zip(heard, usual, strict=True)):
        suite.add(f"{index:05d}", (one, rate), (own, rate))
    found = suite.scores().found
    return {name: found[name].value for name in ("fd", "fad", "kad", "kl")}


def formulas(records: Sequence[ClipRecord]) -> list[tuple[str, str, float, str, float]]:
    """(metric, this project's choice, value, another tool's choice, value) for the choices after the extractors.

    The records are those of a suite with `METRICS`.
    """
    made, own = (torch.stack(_features(records, side, "tagger/embedding")) for side in SIDES)
    examples = [torch.cat(_features(records, side, "vggish/examples")) for side in SIDES]
    tags = torch.stack(_features(records, "generated", "tagger/logits"))
    kl, reverse, padded = (_mean(records, name) for name in ("kl", ReverseKL.name, PaddedKL.name))
    fad, rectified = frechet_distance(*examples), frechet_distance(*(part.relu() for part in examples))
    kad, independent = float(paired_kernel_distance(made, own)), kernel_distance(made, own)
    halved = float(paired_kernel_distance(made.half().float(), own.half().float()))
    split = SplitInceptionScore().value([tags])
    cs, mean_frame = (_mean(records, name) for name in ("cs", "cs_mean_frame"))
    return [
        ("FD", "vectors", frechet_distance(made, own), "all numbers as one-dimensional samples", _scalars(made, own)),
        ("FAD", "no last ReLU", fad, "last ReLU", rectified),
        ("KL", "no constant", kl, "1e-6 added to the generated tags", padded),
        ("KL", "reference to generated", kl, "generated to reference", reverse),
        ("IS", "all clips at once", float(inception_score(tags)), "mean of 10 parts", float(split)),
        ("KAD", "a pair's own kernel left out", kad, "independent sets", independent),
        ("KAD", "the reference's bandwidth", independent, "the generated set's", _kad_by_generated(made, own)),
        ("KAD", "float32 features", kad, "float16", halved),
        ("CS", "mean of cosines", cs, "cosine of the mean frame", mean_frame),
    ]


def batch_dependence(
    checkpoint: str, waveforms: Sequence[Waveform], frames: Sequence[Tensor], batch: int
) -> tuple[float, float]:
    """Mean and largest change of a clip's score when Wav2CLIP is standardised over batches, as published, not clips."""
    extractor = load_extractor("wav2clip", checkpoint)
    changes = []
    for start in range(0, len(waveforms) - batch + 1, batch):
        part = torch.from_numpy(np.stack(waveforms[start : start + batch]))
        seen = torch.stack([one.mean(0) for one in frames[start : start + batch]])
        with torch.no_grad():
            alone, together = extractor(part), _standardised_together(extractor, part)
        scores = [torch.cosine_similarity(audio, seen) for audio in (alone, together)]
        changes.append(PERCENT * (scores[0] - scores[1]).abs())
    every = torch.cat(changes)
    return float(every.mean()), float(every.max())


def _standardised_together(extractor: torch.nn.Module, waveforms: Tensor) -> Tensor:
    logs = torch.log(power_spectrogram(waveforms, 512, 353).transpose(1, 2) + 1e-7)
    pictures = ((logs - logs.mean()) / (logs.std() + 1e-9))[:, None]
    return extractor.get_submodule("audio_transform")(extractor.get_submodule("audio_encoder")(pictures))


def _features(records: Sequence[ClipRecord], side: str, name: str) -> list[Tensor]:
    return [record.features[side][name] for record in records]


def _scalars(made: Tensor, own: Tensor) -> float:
    return frechet_distance(made.reshape(-1, 1), own.reshape(-1, 1))


def _mean(records: Sequence[ClipRecord], name: str) -> float:
    return float(np.mean([record.values[name] for record in records]))


def _kad_by_generated(made: Tensor, own: Tensor) -> float:
    return kernel_distance(made, own, median_bandwidth(made))


def _peak(waveform: Waveform) -> Waveform:
    return 0.5 * waveform / max(float(np.abs(waveform).max()), 1e-8)
