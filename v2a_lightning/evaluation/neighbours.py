"""Precision, recall, density and coverage: which part of one set lies where the other set has its samples.

Sources: T. Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", 2019; M. Naeem
et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from v2a_lightning.evaluation.shapes import check_features
from v2a_lightning.evaluation.streams import TwoSets

NEIGHBOURS = 5
ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Neighbourhoods:
    """Per-sample values (doubles) whose means are the four metrics.

    Args:
        precision: (N,) 1 where a generated sample lies within some reference sample's ball.
        recall: (M,) 1 where a reference sample lies within some generated sample's ball.
        density: (N,) reference balls around a generated sample, over k.
        coverage: (M,) 1 where a generated sample lies within this reference sample's ball.
    """

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def neighbourhoods(generated: Tensor, reference: Tensor, neighbours: int = NEIGHBOURS) -> Neighbourhoods:
    """Compare (N, D) generated with (M, D) reference samples; a sample's ball ends before its k-th neighbour.

    Raises:
        ValueError: when a shape does not fit or a set has no more than `neighbours` samples.
    """
    check_features(generated, reference, minimum=neighbours + 1)
    made, real = generated.detach().double().cpu(), reference.detach().double().cpu()
    made_radius, real_radius = _radii(made, neighbours), _radii(real, neighbours)
    density = torch.zeros(len(made), dtype=torch.float64)
    recall, coverage = torch.zeros(len(real), dtype=torch.bool), torch.zeros(len(real), dtype=torch.bool)
    for rows in torch.arange(len(real)).split(ROWS_AT_ONCE):
        distances = torch.cdist(real[rows], made, compute_mode="donot_use_mm_for_euclid_dist")
        in_real_ball = distances < real_radius[rows, None]
        density += in_real_ball.sum(0)
        coverage[rows] = in_real_ball.any(1)
        recall[rows] = (distances < made_radius[None]).any(1)
    return Neighbourhoods((density > 0).double(), recall.double(), density / neighbours, coverage.double())


class PrecisionRecallDensityCoverage(TwoSets):
    """The means of `neighbourhoods` over a stream of features, which are kept and gathered over processes.

    `compute` gives {"precision", "recall", "density", "coverage"}.

    Args:
        features: width D of the features.
        neighbours: k.
    """

    higher_is_better = True

    def __init__(self, features: int, neighbours: int = NEIGHBOURS, **kwargs: object) -> None:
        super().__init__(features, **kwargs)
        self.neighbours = neighbours

    def compute(self) -> dict[str, float]:
        """The four metrics by name.

        Raises:
            ValueError: when a set has no more than `neighbours` samples.
        """
        found = neighbourhoods(*self.sets(), self.neighbours)
        return {name: float(getattr(found, name).mean()) for name in ("precision", "recall", "density", "coverage")}


def _radii(samples: Tensor, neighbours: int) -> Tensor:
    """(N,) distance of each sample to its k-th nearest other one."""
    radii = []
    for rows in torch.arange(len(samples)).split(ROWS_AT_ONCE):
        # The product form of the distance is not zero, and so not least, between a sample and itself.
        distances = torch.cdist(samples[rows], samples, compute_mode="donot_use_mm_for_euclid_dist")
        radii.append(distances.kthvalue(neighbours + 1, dim=1).values)
    return torch.cat(radii)
