"""What a tagger's logits tell: KL between a sound's tags and its reference's, and the inception score."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from v2a_lightning.evaluation.shapes import check_features
from v2a_lightning.evaluation.streams import MeanOfScores


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


def split_inception_score(logits: Tensor, splits: int = 10, seed: int = 2020) -> tuple[float, float]:
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


class KullbackLeibler(MeanOfScores):
    """Mean `softmax_divergence` over pairs of logits; sums added over processes."""

    higher_is_better = False

    def update(self, generated: Tensor, reference: Tensor) -> None:
        """Add pairs of logits, (N, C) each."""
        self.add(self.divergence(generated.detach(), reference.detach()))

    def divergence(self, generated: Tensor, reference: Tensor) -> Tensor:
        """(N, C), (N, C) -> (N,)."""
        return softmax_divergence(generated, reference)


class SigmoidKullbackLeibler(KullbackLeibler):
    """Mean `sigmoid_divergence` over pairs of logits; sums added over processes."""

    def divergence(self, generated: Tensor, reference: Tensor) -> Tensor:
        """(N, C), (N, C) -> (N,)."""
        return sigmoid_divergence(generated, reference)


class InceptionScore(Metric):
    """`inception_score` over a stream of logits from sums alone: mean tags and mean entropy.

    Args:
        classes: number of tags C.
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    tags: Tensor
    entropy: Tensor
    count: Tensor

    def __init__(self, classes: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.add_state("tags", torch.zeros(classes, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("entropy", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.set_dtype(torch.float64)

    def update(self, logits: Tensor) -> None:
        """Add logits (N, C)."""
        check_features(logits, self.tags[None], minimum=0)
        entropies, tags = _entropy_terms(logits.detach().to(self.tags))
        self.tags, self.entropy = self.tags + tags.sum(0), self.entropy + entropies.sum()
        self.count = self.count + len(logits)

    def compute(self) -> Tensor:
        """The score, a double.

        Raises:
            ValueError: when there was no sound.
        """
        if not int(self.count):
            raise ValueError("an inception score needs at least one sound")
        return torch.exp(_entropy(self.tags / self.count) - self.entropy / self.count)


def _entropy_terms(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Entropy (N,) of each sound's tags and the tags (N, C) themselves."""
    log_tags = F.log_softmax(logits.double(), dim=1)
    tags = log_tags.exp()
    return -(tags * log_tags).sum(1), tags


def _entropy(probabilities: Tensor) -> Tensor:
    return -torch.special.xlogy(probabilities, probabilities).sum(-1)
