"""How far apart two sets of embeddings are, and the plane on which both are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from v2a_lightning.distances import frechet_distance

Embeddings = NDArray[np.float32]

FOLDS = 5


@dataclass(frozen=True)
class Gap:
    """The gap between two sets of embeddings.

    Args:
        centroid: Euclidean distance of their means.
        separability: how often a linear classifier tells on held-out embeddings which set they are from; 0.5 is chance.
        frechet: Fréchet distance of Gaussians fitted to them.
    """

    centroid: float
    separability: float
    frechet: float


def measure_gap(first: Embeddings, second: Embeddings) -> Gap:
    """The gap between (N, D) and (M, D), each with at least FOLDS rows.

    Raises:
        ValueError: with fewer rows, since the classifier is tested on a fifth it did not see.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    if min(len(first), len(second)) < FOLDS:
        raise ValueError(f"a gap is measured on at least {FOLDS} embeddings a set, not {len(first)} and {len(second)}")
    both = np.concatenate([first, second])
    sides = np.repeat([0, 1], [len(first), len(second)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    scores = cross_val_score(LogisticRegression(max_iter=500), both, sides, cv=folds, scoring="balanced_accuracy")
    centroid = float(np.linalg.norm(first.mean(0) - second.mean(0)))
    return Gap(centroid, float(scores.mean()), frechet_distance(torch.from_numpy(first), torch.from_numpy(second)))


def principal_axes(fitted_on: Sequence[Embeddings]) -> tuple[Embeddings, Embeddings]:
    """Mean (D,) and the two directions (2, D) in which all given sets together vary most.

    Signs are fixed, so that pictures of two epochs do not mirror one another.
    """
    both = np.concatenate(list(fitted_on)).astype(np.float64)
    mean = both.mean(0)
    axes = np.linalg.svd(both - mean, full_matrices=False)[2][:2]
    signs = np.sign(axes[np.arange(2), np.abs(axes).argmax(1)])
    return mean.astype(np.float32), (axes * signs[:, None]).astype(np.float32)


def project(embeddings: Embeddings, mean: Embeddings, axes: Embeddings) -> Embeddings:
    """(N, D) onto two axes: (N, 2)."""
    return (embeddings - mean) @ axes.T
