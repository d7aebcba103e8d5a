"""Frechet distance between Gaussians fitted to two sets of features: FD on Cnn14, FAD on VGGish.

    d^2 = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))

Source: D. Dowson and B. Landau, J. Multivariate Analysis 12, 1982. The last trace equals the nuclear norm (the sum of
singular values) of A1^T A2 for any factors S = A A^T. That needs no matrix square root, stays real, and is exact where
a covariance has no full rank, which is the case whenever there are fewer samples than dimensions.
"""

import torch
from torch import Tensor
from torchmetrics import Metric

from v2a_lightning.evaluation.shapes import check_features


def frechet_distance(generated: Tensor, reference: Tensor) -> float:
    """Frechet distance between two sets of features, with unbiased covariances, in double precision.

    Fewer samples than dimensions cost O(N^2 D) and more cost O(N D^2 + D^3).

    Args:
        generated: (N, D), N >= 2.
        reference: (M, D), M >= 2.

    Raises:
        ValueError: when a shape does not fit, a set has one sample, or a value is not finite.
    """
    check_features(generated, reference, minimum=2)
    first, second = generated.detach().double().cpu(), reference.detach().double().cpu()
    distance = (first.mean(0) - second.mean(0)).square().sum()
    return _distance(distance, _factor(first), _factor(second))


def frechet_distance_from_moments(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> float:
    """Frechet distance from means (D,) and covariances (D, D), in double precision."""
    moments = [tensor.detach().double().cpu() for tensor in (mean1, covariance1, mean2, covariance2)]
    distance = (moments[0] - moments[2]).square().sum()
    return _distance(distance, _root(moments[1]), _root(moments[3]))


class FrechetDistance(Metric):
    """Frechet distance over a stream of features, whose memory does not grow with the number of samples.

    States are counts, sums and sums of outer products in double precision, added over processes: exact under DDP
    whatever the shards' sizes. With many more dimensions than samples, `frechet_distance` on the features is faster.

    Args:
        features: width D of the features.
    """

    full_state_update = False
    higher_is_better = False
    is_differentiable = False

    def __init__(self, features: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        for name in ("generated", "reference"):
            self.add_state(f"{name}_count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
            self.add_state(f"{name}_sum", torch.zeros(features, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{name}_outer", torch.zeros(features, features, dtype=torch.float64), dist_reduce_fx="sum")
        # Sums in single precision would lose the covariance behind the mean.
        self.set_dtype(torch.float64)

    def update(self, generated: Tensor | None = None, reference: Tensor | None = None) -> None:
        """Add features (N, D) to either set or both.

        Raises:
            ValueError: when a shape does not fit or a value is not finite.
        """
        for name, features in (("generated", generated), ("reference", reference)):
            if features is not None:
                self._add(name, features)

    def compute(self) -> Tensor:
        """The distance, a double.

        Raises:
            ValueError: when either set has fewer than two samples.
        """
        distance = frechet_distance_from_moments(*self._moments("generated"), *self._moments("reference"))
        return torch.tensor(distance, dtype=torch.float64, device=self.device)

    def _add(self, name: str, features: Tensor) -> None:
        total, outer = getattr(self, f"{name}_sum"), getattr(self, f"{name}_outer")
        check_features(features, total[None], minimum=0)
        features = features.detach().to(total)
        setattr(self, f"{name}_count", getattr(self, f"{name}_count") + len(features))
        setattr(self, f"{name}_sum", total + features.sum(0))
        setattr(self, f"{name}_outer", outer + features.T @ features)

    def _moments(self, name: str) -> tuple[Tensor, Tensor]:
        count = int(getattr(self, f"{name}_count"))
        if count < 2:
            raise ValueError(f"a covariance needs two {name} samples, there are {count}")
        mean = getattr(self, f"{name}_sum") / count
        outer = getattr(self, f"{name}_outer") - count * torch.outer(mean, mean)
        return mean, outer / (count - 1)


def _distance(means: Tensor, factor1: Tensor, factor2: Tensor) -> float:
    overlap = torch.linalg.svdvals(factor1.T @ factor2).sum()
    distance = means + factor1.square().sum() + factor2.square().sum() - 2.0 * overlap
    # Equal sets give the difference of equal numbers, which rounding may put below zero.
    return max(0.0, float(distance))


def _factor(features: Tensor) -> Tensor:
    """A with A A^T the unbiased covariance of features (N, D): (D, N) itself while that is the smaller one."""
    centred = (features - features.mean(0)) / (len(features) - 1) ** 0.5
    if len(features) <= features.shape[1]:
        return centred.T
    # NumPy computes only half of a matrix times its own transpose; PyTorch computes all of it.
    array = centred.numpy()
    return _root(torch.from_numpy(array.T @ array))


def _root(covariance: Tensor) -> Tensor:
    """A with A A^T = covariance: Cholesky's factor, or eigenvectors where the covariance has no full rank."""
    smallest = len(covariance) * torch.finfo(covariance.dtype).eps * covariance.diagonal().max().clamp_min(0.0)
    factor, failure = torch.linalg.cholesky_ex(covariance)
    if not int(failure) and factor.diagonal().square().min() > smallest:
        return factor
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > smallest
    return vectors[:, kept] * values[kept].sqrt()
