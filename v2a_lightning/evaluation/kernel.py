"""Kernel distance (KAD): 100 x the unbiased squared maximum mean discrepancy under a Gaussian kernel.

    k(a, b) = exp(-|a - b|^2 / (2 s^2)),  s = median distance between two different reference samples

Sources: A. Gretton et al., "A Kernel Two-Sample Test", JMLR 13, 2012 (the two estimators are those of its Lemma 6);
Y. Chung et al., "KAD: No More FAD!", 2025 (the scale and the median rule). The bandwidth comes from the reference set
alone, so that it is the same for every system measured against that set.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from v2a_lightning.evaluation.shapes import check_features
from v2a_lightning.evaluation.streams import TwoSets

SCALE = 100.0
BANDWIDTH_SAMPLES = 4096
ROWS_AT_ONCE = 1024


def median_bandwidth(reference: Tensor) -> float:
    """Median Euclidean distance between two different samples of (M, D).

    Of more than 4,096 samples, 4,096 at equal steps through the set stand for it.

    Raises:
        ValueError: when more than half of the distances are zero.
    """
    step = max(1.0, len(reference) / BANDWIDTH_SAMPLES)
    rows = (torch.arange(min(len(reference), BANDWIDTH_SAMPLES), dtype=torch.float64) * step).long()
    bandwidth = float(torch.pdist(reference.detach().double().cpu()[rows]).median())
    if bandwidth == 0.0:
        raise ValueError("the reference samples are equal to one another: there is no bandwidth")
    return bandwidth


def kernel_distance(generated: Tensor, reference: Tensor, bandwidth: float | None = None) -> float:
    """KAD of two independent sets (N, D) and (M, D); it may be slightly negative for sets of one distribution.

    Raises:
        ValueError: when a shape does not fit or a set has one sample.
    """
    check_features(generated, reference, minimum=2)
    first, second = generated.detach().double().cpu(), reference.detach().double().cpu()
    bandwidth = bandwidth or median_bandwidth(second)
    within = _mean_without_diagonal(first, bandwidth) + _mean_without_diagonal(second, bandwidth)
    across = sum(float(block.sum()) for _, block in _kernel_blocks(first, second, bandwidth))
    return SCALE * (within - 2.0 * across / (len(first) * len(second)))


def paired_kernel_distance(generated: Tensor, reference: Tensor, weights: Tensor | None = None) -> Tensor:
    """KAD of two sets whose rows belong together: sound i was made for clip i, whose own sound is reference i.

    A generated sound resembles the reference it was made for more than any other. The estimator for independent sets
    takes that resemblance for closeness of the distributions; leaving each sound's own reference out is unbiased here,
    and exactly 0 for a set against itself.

    Args:
        generated: (N, D), N >= 2.
        reference: (N, D).
        weights: (B, N) how often each pair counts in each of B resamples; None for once each.

    Returns:
        (B,) doubles, B = 1 without weights.

    Raises:
        ValueError: when a shape does not fit or there is one pair.
    """
    check_features(generated, reference, minimum=2, paired=True)
    first, second = generated.detach().double().cpu(), reference.detach().double().cpu()
    counts = torch.ones(1, len(first), dtype=torch.float64) if weights is None else weights.double().cpu()
    bandwidth = median_bandwidth(second)
    total = torch.zeros(len(counts), dtype=torch.float64)
    for rows in torch.arange(len(first)).split(ROWS_AT_ONCE):
        block = (
            _kernel(first[rows], first, bandwidth)
            + _kernel(second[rows], second, bandwidth)
            - _kernel(first[rows], second, bandwidth)
            - _kernel(second[rows], first, bandwidth)
        )
        block[torch.arange(len(rows)), rows] = 0.0
        total += (counts[:, rows] @ block * counts).sum(1)
    return SCALE * total / (len(first) * (len(first) - 1))


class KernelDistance(TwoSets):
    """KAD over a stream of features of independent sets; features are kept and gathered over processes.

    Args:
        features: width D of the features.
    """

    higher_is_better = False

    def compute(self) -> Tensor:
        """KAD, a double.

        Raises:
            ValueError: when either set has fewer than two samples.
        """
        return torch.tensor(kernel_distance(*self.sets()), dtype=torch.float64, device=self.device)


def _kernel(first: Tensor, second: Tensor, bandwidth: float) -> Tensor:
    return torch.exp(-torch.cdist(first, second).square() / (2.0 * bandwidth**2))


def _kernel_blocks(first: Tensor, second: Tensor, bandwidth: float) -> Iterator[tuple[Tensor, Tensor]]:
    for rows in torch.arange(len(first)).split(ROWS_AT_ONCE):
        yield rows, _kernel(first[rows], second, bandwidth)


def _mean_without_diagonal(samples: Tensor, bandwidth: float) -> float:
    total = 0.0
    for rows, block in _kernel_blocks(samples, samples, bandwidth):
        block[torch.arange(len(rows)), rows] = 0.0
        total += float(block.sum())
    return total / (len(samples) * (len(samples) - 1))
