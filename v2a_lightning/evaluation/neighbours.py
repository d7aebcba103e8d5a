"""Precision, recall, density and coverage: which part of one set lies where the other set has its samples.

Sources: T. Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", 2019; M. Naeem
et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from v2a_lightning.distances import ROWS_AT_ONCE, block_pairs, centred, check_features, squared_distances
from v2a_lightning.evaluation.metric import Number, SetMetric, mean_score, rows
from v2a_lightning.evaluation.score_files import Score

NEIGHBOURS = 5
# Of a squared distance: the k-th neighbour lies on the ball's surface and not within it, however it is computed.
ROUNDING = 1e-11


def neighbourhoods(generated: Tensor, reference: Tensor, neighbours: int = NEIGHBOURS) -> dict[str, Tensor]:
    """Doubles whose means are the four metrics of (N, D) generated and (M, D) reference samples.

    A sample's ball ends before its k-th neighbour. "precision" (N,): 1 where a generated sample lies within some
    reference sample's ball; "recall" (M,): 1 where a reference sample lies within some generated sample's ball;
    "density" (N,): reference balls around a generated sample, over k; "coverage" (M,): 1 where a generated sample lies
    within this reference sample's ball.

    Raises:
        ValueError: when a shape does not fit or a set has no more than `neighbours` samples.
    """
    check_features(generated, reference, minimum=neighbours + 1)
    made, real = generated.detach().double().cpu(), reference.detach().double().cpu()
    made, real = made - real.mean(0), centred(real)
    made_balls, real_balls = _balls(made, neighbours), _balls(real, neighbours)
    density = torch.zeros(len(made), dtype=torch.float64)
    recall, coverage = torch.zeros(len(real), dtype=torch.bool), torch.zeros(len(real), dtype=torch.bool)
    for part in torch.split(torch.arange(len(real)), ROWS_AT_ONCE):
        squared = squared_distances(real[part], made)
        in_real_ball = squared < real_balls[part, None]
        density += in_real_ball.sum(0)
        coverage[part] = in_real_ball.any(1)
        recall[part] = (squared < made_balls).any(1)
    found = {"precision": density > 0, "recall": recall, "density": density / neighbours, "coverage": coverage}
    return {name: values.double() for name, values in found.items()}


class PrecisionRecallDensityCoverage(SetMetric):
    """The means of `neighbourhoods`: `compute` gives {"precision", "recall", "density", "coverage"}.

    Args:
        neighbours: k.

    Example:
        >>> features = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
        >>> metric = PrecisionRecallDensityCoverage()
        >>> metric.update(features, features)
        >>> metric.compute()["coverage"]
        tensor(1., dtype=torch.float64)
    """

    better = "higher"
    needs: ClassVar = {"generated": "tagger/embedding", "reference": "tagger/embedding"}
    minimum = NEIGHBOURS + 1

    def __init__(self, neighbours: int = NEIGHBOURS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.neighbours = neighbours

    @classmethod
    def numbers(cls) -> dict[str, Number]:
        """Four."""
        formulas = {
            "precision": "share of generated clips inside a reference's 5-NN ball",
            "recall": "share of reference clips inside a generated one's 5-NN ball",
            "density": "mean number of references' 5-NN balls round a generated clip / 5",
            "coverage": "share of references whose 5-NN ball holds a generated clip",
        }
        return {name: Number(name.capitalize(), "higher", formula) for name, formula in formulas.items()}

    def value(self, **sides: list[Tensor]) -> Tensor:
        """(4,) the means."""
        return torch.stack([values.mean() for values in self._values(**sides).values()])

    def compute(self) -> dict[str, Tensor]:
        """The four by name."""
        return dict(zip(self.numbers(), super().compute(), strict=True))

    def results(self, clip_ids: list[str], weights: Tensor) -> dict[str, Score]:
        """The four with their values for each clip."""
        return {name: mean_score(values, clip_ids, weights) for name, values in self._values(**self.sides()).items()}

    def _values(self, generated: list[Tensor], reference: list[Tensor]) -> dict[str, Tensor]:
        return neighbourhoods(rows(generated), rows(reference), self.neighbours)


def _balls(samples: Tensor, neighbours: int) -> Tensor:
    """(N,) squared distance of each sample to its k-th nearest other one, less what rounding may have added."""
    nearest = torch.full((len(samples), neighbours), torch.inf, dtype=samples.dtype)
    for block, columns in block_pairs(len(samples)):
        squared = squared_distances(samples[block], samples[columns])
        if block == columns:
            squared.fill_diagonal_(torch.inf)
        else:
            nearest[columns] = _least(nearest[columns], squared.T)
        nearest[block] = _least(nearest[block], squared)
    return nearest.amax(1) * (1 - ROUNDING)


def _least(found: Tensor, others: Tensor) -> Tensor:
    """Of each row's least numbers (N, k) and others (N, M) the k least."""
    return torch.cat([found, others], dim=1).topk(found.shape[1], dim=1, largest=False).values
