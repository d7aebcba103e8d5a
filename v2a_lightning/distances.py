"""Distances between sets of embeddings (N, D), in double precision: Frechet, kernel, cosine, retrieval.

Frechet distance between the Gaussians fitted to two sets:

    d^2 = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))

Source: D. Dowson and B. Landau, J. Multivariate Analysis 12, 1982. The last trace equals the nuclear norm (the sum of
singular values) of A1^T A2 for any factors S = A A^T. That needs no matrix square root, stays real, and is exact where
a covariance has no full rank, which is the case whenever there are fewer samples than dimensions.

Kernel distance (KAD), 100 x the unbiased squared maximum mean discrepancy under a Gaussian kernel:

    k(a, b) = exp(-|a - b|^2 / (2 s^2)),  s = median distance between two different reference samples

Sources: A. Gretton et al., "A Kernel Two-Sample Test", JMLR 13, 2012 (the two estimators are those of its Lemma 6);
Y. Chung et al., "KAD: No More FAD!", 2025 (the scale and the median rule). The bandwidth comes from the reference set
alone, so that it is the same for every system measured against that set.
"""

from collections.abc import Iterator
from contextlib import suppress

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 100.0
BANDWIDTH_SAMPLES = 4096
ROWS_AT_ONCE = 1024
RANKS = (1, 5, 10)
# Squared distances below this part of the two squared lengths are those of equal points, rounded.
EQUAL = 1e-13
# Singular values that are roots of eigenvalues are taken where rounding moves their sum by less than this part of it.
ROOTS_ERROR = 1e-12


def compare_embeddings(predicted: Tensor, target: Tensor) -> dict[str, float]:
    """How predicted embeddings compare with true ones, (N, D) each, N >= 2; both are L2-normalised first.

    Returns:
        {"embedding_fd", "embedding_kad", "cosine", "cosine_unrelated", "recall@1", "recall@5", "recall@10"}; without
        "embedding_kad" when most targets are one and the same, which has no bandwidth. "cosine_unrelated" is that with
        other clips' targets; recall counts the clips whose own target is among the k closest of all targets.

    Raises:
        ValueError: when a shape does not fit, a value is not finite, or there are fewer than two pairs.
    """
    check_features(predicted, target, minimum=2, paired=True)
    predicted, target = (F.normalize(rows.detach().float(), dim=1) for rows in (predicted, target))
    ranks, count = retrieval_ranks(predicted, target), len(predicted)
    first, second = F.normalize(predicted.double(), dim=1), F.normalize(target.double(), dim=1)
    own, every = (first * second).sum(), first.sum(0) @ second.sum(0)
    found = {
        "embedding_fd": frechet_distance(predicted, target),
        "cosine": float(own / count),
        "cosine_unrelated": float((every - own) / (count * (count - 1))),
        **{f"recall@{k}": float((ranks < k).double().mean()) for k in RANKS},
    }
    # Several cuts of one video may have one and the same sound; that is no reason to end a training.
    with suppress(ValueError):
        found["embedding_kad"] = float(paired_kernel_distance(predicted, target))
    return found


def frechet_distance(generated: Tensor, reference: Tensor) -> float:
    """Frechet distance of features (N, D) and (M, D), N, M >= 2, with unbiased covariances.

    Fewer samples than dimensions cost O(N^2 D) and more cost O(N D^2 + D^3).

    Raises:
        ValueError: when a shape does not fit, a set has one sample, or a value is not finite.
    """
    check_features(generated, reference, minimum=2)
    first, second = generated.detach().double().cpu(), reference.detach().double().cpu()
    distance = (first.mean(0) - second.mean(0)).square().sum()
    return _distance(distance, _factor(first), _factor(second))


def median_bandwidth(reference: Tensor) -> float:
    """Median distance between two different samples of (M, D), or of 4,096 at equal steps; ValueError when it is 0."""
    step = max(1.0, len(reference) / BANDWIDTH_SAMPLES)
    rows = (torch.arange(min(len(reference), BANDWIDTH_SAMPLES), dtype=torch.float64) * step).long()
    chosen, pairs = reference.detach().double().cpu()[rows], torch.triu_indices(len(rows), len(rows), 1)
    middle = squared_distances(centred(chosen), centred(chosen))[*pairs].median(0).indices
    first, second = chosen[pairs[:, middle]]
    bandwidth = float((first - second).norm())
    if bandwidth == 0.0:
        raise ValueError("the reference samples are equal to one another: there is no bandwidth")
    return bandwidth


def kernel_distance(generated: Tensor, reference: Tensor, bandwidth: float | None = None) -> float:
    """KAD of two independent sets (N, D) and (M, D); it may be slightly negative for sets of one distribution."""
    check_features(generated, reference, minimum=2)
    first, second = generated.detach().double().cpu(), reference.detach().double().cpu()
    bandwidth = bandwidth or median_bandwidth(second)
    first, second = first - second.mean(0), centred(second)
    within = sum(_kernel_sum(one, one, bandwidth, False) / (len(one) * (len(one) - 1)) for one in (first, second))
    return SCALE * (within - 2.0 * _kernel_sum(first, second, bandwidth) / (len(first) * len(second)))


def paired_kernel_distance(generated: Tensor, reference: Tensor, weights: Tensor | None = None) -> Tensor:
    """KAD of two sets whose rows belong together: sound i was made for clip i, whose own sound is reference i.

    A generated sound resembles the reference it was made for more than any other. The estimator for independent sets
    takes that resemblance for closeness of the distributions; leaving each sound's own reference out is unbiased here,
    and exactly 0 for a set against itself.

    Args:
        generated, reference: (N, D), N >= 2.
        weights: (B, N) how often each pair counts in each of B resamples; None for once each.

    Returns:
        (B,) doubles, B = 1 without weights.
    """
    check_features(generated, reference, minimum=2, paired=True)
    first, second = generated.detach().double().cpu(), reference.detach().double().cpu()
    counts = torch.ones(1, len(first), dtype=torch.float64) if weights is None else weights.double().cpu()
    bandwidth = median_bandwidth(second)
    first, second = first - second.mean(0), centred(second)
    total = torch.zeros(len(counts), dtype=torch.float64)
    for rows, columns in block_pairs(len(first)):
        # Four products of one shape: those of equal sets are equal to the last bit.
        block = (
            _kernel(first[rows], first[columns], bandwidth)
            + _kernel(second[rows], second[columns], bandwidth)
            - _kernel(first[rows], second[columns], bandwidth)
            - _kernel(second[rows], first[columns], bandwidth)
        )
        if rows == columns:
            block.fill_diagonal_(0.0)
        once = (counts[:, rows] @ block * counts[:, columns]).sum(1)
        total += once if rows == columns else 2 * once
    return SCALE * total / (len(first) * (len(first) - 1))


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """Cosine of each pair of rows: (N, D), (N, D) -> (N,) doubles."""
    check_features(first, second, minimum=0, paired=True)
    return F.cosine_similarity(first.double(), second.double(), dim=1)


def retrieval_ranks(predicted: Tensor, target: Tensor) -> Tensor:
    """For each prediction, how many other targets are at least as close (by cosine) as its own: (N, D), (N, D) -> (N,).

    Equal cosines count against the prediction, so that a constant prediction retrieves nothing.
    """
    check_features(predicted, target, minimum=1, paired=True)
    predicted, target = F.normalize(predicted.double(), dim=1), F.normalize(target.double(), dim=1)
    ranks = []
    for part in torch.split(torch.arange(len(predicted), device=predicted.device), ROWS_AT_ONCE):
        cosine = predicted[part] @ target.T
        own = cosine[torch.arange(len(part)), part]
        ranks.append((cosine >= own[:, None]).sum(1) - 1)
    return torch.cat(ranks)


def check_features(generated: Tensor, reference: Tensor, *, minimum: int, paired: bool = False) -> None:
    """Raise ValueError unless (N, D) and (M, D) are finite, of `minimum` rows or more; N == M when `paired`."""
    shapes = f"{tuple(generated.shape)} and {tuple(reference.shape)}"
    if generated.ndim != 2 or reference.ndim != 2 or generated.shape[1] != reference.shape[1]:
        raise ValueError(f"features are (N, D) and (M, D), not {shapes}")
    if paired and len(generated) != len(reference):
        raise ValueError(f"paired features have equally many rows, not {shapes}")
    if min(len(generated), len(reference)) < minimum:
        raise ValueError(f"at least {minimum} samples are needed on either side; there are {shapes}")
    if not (torch.isfinite(generated).all() and torch.isfinite(reference).all()):
        raise ValueError("features hold values that are not finite")


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """(N, M) of doubles (N, D) and (M, D), from their products; 0 of equal rows.

    `centred` rows keep as many digits as differences do.
    """
    lengths = first.square().sum(1)[:, None] + second.square().sum(1)
    squared = torch.addmm(lengths, first, second.T, alpha=-2.0)
    return squared.masked_fill_(squared < EQUAL * lengths, 0.0)


def centred(features: Tensor) -> Tensor:
    """(N, D) less their mean."""
    return features - features.mean(0)


def block_pairs(count: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the blocks on and above the diagonal of a matrix (count, count)."""
    blocks = [slice(start, min(start + ROWS_AT_ONCE, count)) for start in range(0, count, ROWS_AT_ONCE)]
    return ((rows, columns) for place, rows in enumerate(blocks) for columns in blocks[place:])


def _distance(means: Tensor, factor1: Tensor, factor2: Tensor) -> float:
    distance = means + factor1.square().sum() + factor2.square().sum() - 2.0 * _nuclear_norm(factor1.T @ factor2)
    # Equal sets give the difference of equal numbers, which rounding may put below zero.
    return max(0.0, float(distance))


def _nuclear_norm(matrix: Tensor) -> Tensor:
    """The sum of its singular values: roots of the eigenvalues of M^T M, a quarter of the work, where none is so small
    that rounding shows."""
    squares = torch.linalg.eigvalsh(_inner(matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T))
    if len(squares) and squares[0] > 0:
        roots = squares.sqrt()
        norm: Tensor = roots.sum()
        if torch.finfo(roots.dtype).eps * squares[-1] * (0.5 / roots).sum() < ROOTS_ERROR * norm:
            return norm
    norm = torch.linalg.svdvals(matrix).sum()
    return norm


def _factor(features: Tensor) -> Tensor:
    """A with A A^T the unbiased covariance of features (N, D): (D, N) itself while that is the smaller one."""
    scaled = centred(features) / (len(features) - 1) ** 0.5
    return scaled.T if len(features) <= features.shape[1] else _root(_inner(scaled))


def _inner(matrix: Tensor) -> Tensor:
    """M^T M. NumPy computes only half of a matrix times its own transpose; PyTorch computes all of it."""
    array = matrix.numpy()
    return torch.from_numpy(array.T @ array)


def _root(covariance: Tensor) -> Tensor:
    """A with A A^T = covariance: Cholesky's factor, or eigenvectors where the covariance has no full rank."""
    smallest = len(covariance) * torch.finfo(covariance.dtype).eps * covariance.diagonal().max().clamp_min(0.0)
    factor: Tensor
    factor, failure = torch.linalg.cholesky_ex(covariance)
    if not int(failure) and factor.diagonal().square().min() > smallest:
        return factor
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > smallest
    root: Tensor = vectors[:, kept] * values[kept].sqrt()
    return root


def _kernel(first: Tensor, second: Tensor, bandwidth: float) -> Tensor:
    return squared_distances(first, second).div_(-2.0 * bandwidth**2).exp_()


def _kernel_sum(first: Tensor, second: Tensor, bandwidth: float, diagonal: bool = True) -> float:
    total = 0.0
    for part in torch.split(torch.arange(len(first)), ROWS_AT_ONCE):
        block = _kernel(first[part], second, bandwidth)
        if not diagonal:
            block[torch.arange(len(part)), part] = 0.0
        total += float(block.sum())
    return total
