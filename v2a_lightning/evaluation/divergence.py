"""What a tagger's logits tell: KL between a sound's tags and its reference's, and the inception score."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.distances import check_features
from v2a_lightning.evaluation.metric import ClipMetric, SetMetric, rows

SPLITS = 10


def softmax_divergence(generated: Tensor, reference: Tensor) -> Tensor:
    """KL(softmax(reference) || softmax(generated)) in nats, per pair: (N, C), (N, C) -> (N,) doubles.

    No constant is added to a probability: log-softmax needs none.
    """
    check_features(generated, reference, minimum=0, paired=True)
    log_p, log_q = F.log_softmax(reference.double(), dim=1), F.log_softmax(generated.double(), dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(1)


def sigmoid_divergence(generated: Tensor, reference: Tensor) -> Tensor:
    """sum_c p_c log(p_c / q_c) with p, q the sigmoids of reference and generated logits: (N, C), (N, C) -> (N,).

    The public tools' second KL. The sigmoids of a tagger do not sum to one, so that this is no divergence in the strict
    sense and may be negative where the generated sound has more tags than the reference.
    """
    check_features(generated, reference, minimum=0, paired=True)
    log_p, log_q = F.logsigmoid(reference.double()), F.logsigmoid(generated.double())
    return (log_p.exp() * (log_p - log_q)).sum(1)


def inception_score(logits: Tensor, weights: Tensor | None = None) -> Tensor:
    """exp of the mean KL between a sound's tags and all sounds' mean tags: 1 when all are alike, C at most.

    Source: T. Salimans et al., "Improved Techniques for Training GANs", 2016, over the whole set at once.

    Args:
        logits: (N, C).
        weights: (B, N) how often each sound counts in each of B resamples; None for once each.

    Returns:
        (B,) doubles, B = 1 without weights.
    """
    check_features(logits, logits, minimum=1)
    counts = torch.ones(1, len(logits), dtype=torch.float64) if weights is None else weights.double()
    shares = counts / counts.sum(1, keepdim=True)
    entropies, tags = _entropy_terms(logits)
    return torch.exp(_entropy(shares @ tags) - shares @ entropies)


def split_inception_score(logits: Tensor, splits: int = SPLITS, seed: int = 2020) -> tuple[float, float]:
    """Mean and deviation of the inception score over `splits` parts of the shuffled sounds, as public tools report it.

    Raises:
        ValueError: when there are fewer sounds than parts.
    """
    if len(logits) < splits:
        raise ValueError(f"{splits} parts need {splits} sounds; there are {len(logits)}")
    order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(seed))
    size = len(logits) // splits
    parts = [order[part * size : (part + 1) * size] for part in range(splits)]
    scores = torch.cat([inception_score(logits[part]) for part in parts])
    return float(scores.mean()), float(scores.std(correction=0))


class KullbackLeibler(ClipMetric):
    """Mean `softmax_divergence` over pairs of logits.

    Example:
        >>> import torch
        >>> metric = KullbackLeibler()
        >>> metric.update(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.9, 0.1]]).log())
        >>> round(float(metric.compute()), 4)  # 0.9 log 1.8 + 0.1 log 0.2
        0.3681
    """

    name, title, floor = "kl", "KL", 0.0
    formula = "mean KL(softmax(reference) || softmax(generated)) of pairs, in nats"
    meaning = "divergence of the tagger's classes, clip by clip"
    needs: ClassVar = {"generated": "tagger/logits", "reference": "tagger/logits"}

    def score(self, generated: Tensor, reference: Tensor) -> Tensor:  # type: ignore[override]
        """(C,), (C,) -> ()."""
        return softmax_divergence(generated[None], reference[None])[0]


class SigmoidKullbackLeibler(ClipMetric):
    """Mean `sigmoid_divergence` over pairs of logits."""

    name, title, headline = "kl_sigmoid", "KL sigmoid", False
    formula = "mean sum of p log(p / q) over the tags' sigmoids, pairs"
    needs: ClassVar = {"generated": "tagger/logits", "reference": "tagger/logits"}

    def score(self, generated: Tensor, reference: Tensor) -> Tensor:  # type: ignore[override]
        """(C,), (C,) -> ()."""
        return sigmoid_divergence(generated[None], reference[None])[0]


class InceptionScore(SetMetric):
    """`inception_score` of all clips' logits.

    Example:
        >>> import torch
        >>> metric = InceptionScore()
        >>> metric.update(1000 * torch.eye(7))  # sure of each sound, and no two alike
        >>> round(float(metric.compute()), 4)
        7.0
    """

    name, title, better, floor = "is", "IS", "higher", 1.0
    formula = "exp of the mean KL of tags to mean tags, softmax, all clips at once"
    meaning = "Inception score: sure of each sound, varied over all"
    needs: ClassVar = {"generated": "tagger/logits"}
    minimum = 2

    def value(self, generated: list[Tensor]) -> float:  # type: ignore[override]
        """The score of all clips."""
        return float(inception_score(rows(generated)))

    def resampled(self, weights: Tensor, generated: list[Tensor]) -> Tensor:  # type: ignore[override]
        """(B,) the score of resamples."""
        return inception_score(rows(generated), weights)


class SplitInceptionScore(SetMetric):
    """Mean of `split_inception_score` over ten parts."""

    name, title, better, floor, headline = "is_splits", "IS/10", "higher", 1.0, False
    formula = "the mean of the inception score over 10 shuffled parts"
    needs: ClassVar = {"generated": "tagger/logits"}
    minimum = SPLITS

    def value(self, generated: list[Tensor]) -> float:  # type: ignore[override]
        """The mean over the parts."""
        return split_inception_score(rows(generated))[0]


def _entropy_terms(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Entropy (N,) of each sound's tags and the tags (N, C) themselves."""
    log_tags = F.log_softmax(logits.double(), dim=1)
    tags = log_tags.exp()
    return -(tags * log_tags).sum(1), tags


def _entropy(probabilities: Tensor) -> Tensor:
    entropy: Tensor = -torch.special.xlogy(probabilities, probabilities).sum(-1)
    return entropy
