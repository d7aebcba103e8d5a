"""Metrics of a tagger's logits: KL between a sound's tags and its reference's, and the inception score."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.distances import check_features
from v2a_lightning.evaluation.metric import ClipMetric, SetMetric, rows

SPLITS, SEED = 10, 2020


class KullbackLeibler(ClipMetric):
    """Mean KL(softmax(reference) || softmax(generated)) in nats over pairs of logits, (N, C) each.

    No constant is added to a probability: log-softmax needs none.

    Example:
        >>> metric = KullbackLeibler()
        >>> metric.update(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.9, 0.1]]).log())
        >>> round(float(metric.compute()), 4)  # 0.9 log 1.8 + 0.1 log 0.2
        0.3681
    """

    name, title = "kl", "KL"
    floor: ClassVar[float | None] = 0.0
    formula = "mean KL(softmax(reference) || softmax(generated)) of pairs, in nats"
    meaning = "divergence of the tagger's classes, clip by clip"
    needs: ClassVar = {"generated": "tagger/logits", "reference": "tagger/logits"}

    def score(self, generated: Tensor, reference: Tensor) -> Tensor:  # type: ignore[override]
        """(C,), (C,) -> ()."""
        check_features(generated[None], reference[None], minimum=0, paired=True)
        log_p, log_q = self.log_tags(reference.double()), self.log_tags(generated.double())
        return (log_p.exp() * (log_p - log_q)).sum()

    def log_tags(self, logits: Tensor) -> Tensor:
        """(C,) -> (C,)."""
        return F.log_softmax(logits, dim=0)


class SigmoidKullbackLeibler(KullbackLeibler):
    """Mean of sum_c p_c log(p_c / q_c), p and q the sigmoids of reference and generated logits, (N, C) each.

    The second KL of public tools. The sigmoids of a tagger do not sum to one, so that this is no divergence in the
    strict sense and may be negative where the generated sound has more tags than the reference.

    Example:
        >>> metric = SigmoidKullbackLeibler()
        >>> metric.update(torch.tensor([[0.5]]).logit(), torch.tensor([[0.8]]).logit())
        >>> round(float(metric.compute()), 4)  # 0.8 log 1.6
        0.376
    """

    name, title, floor, meaning, headline = "kl_sigmoid", "KL sigmoid", None, "", False
    formula = "mean sum of p log(p / q) over the tags' sigmoids, pairs"

    def log_tags(self, logits: Tensor) -> Tensor:
        """(C,) -> (C,)."""
        return F.logsigmoid(logits)


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
    log_tags = F.log_softmax(logits.double(), dim=1)
    tags = log_tags.exp()
    entropies, mean_tags = -(tags * log_tags).sum(1), shares @ tags
    return torch.exp(-torch.special.xlogy(mean_tags, mean_tags).sum(-1) - shares @ entropies)


class InceptionScore(SetMetric):
    """`inception_score` of all clips' logits (N, C).

    Example:
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

    def value(self, generated: list[Tensor]) -> Tensor:  # type: ignore[override]
        """The score of all clips."""
        return inception_score(rows(generated))[0]

    def resampled(self, weights: Tensor, generated: list[Tensor]) -> Tensor:  # type: ignore[override]
        """(B,) the score of resamples."""
        return inception_score(rows(generated), weights)


class SplitInceptionScore(SetMetric):
    """Mean of the inception score over ten parts of the shuffled sounds' logits (N, C), as public tools report it.

    Example:
        >>> metric = SplitInceptionScore()
        >>> metric.update(1000 * torch.eye(2).repeat(10, 1))
        >>> 1 < float(metric.compute()) < 2  # parts of two sounds are less varied than all
        True
    """

    name, title, better, floor, headline = "is_splits", "IS/10", "higher", 1.0, False
    formula = "the mean of the inception score over 10 shuffled parts"
    needs: ClassVar = {"generated": "tagger/logits"}
    minimum = SPLITS

    def value(self, generated: list[Tensor]) -> Tensor:  # type: ignore[override]
        """The mean over the parts; what does not fill a part is left out."""
        logits = rows(generated)
        if len(logits) < SPLITS:
            raise ValueError(f"{SPLITS} parts need {SPLITS} sounds; there are {len(logits)}")
        order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(SEED))
        parts = order[: len(logits) // SPLITS * SPLITS].view(SPLITS, -1)
        return torch.cat([inception_score(logits[part]) for part in parts]).mean()
