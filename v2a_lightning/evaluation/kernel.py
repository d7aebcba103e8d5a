"""KAD: the kernel distance of `v2a_lightning.distances` as a metric."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from v2a_lightning.distances import kernel_distance, paired_kernel_distance
from v2a_lightning.evaluation.metric import SetMetric, rows
from v2a_lightning.evaluation.score_files import Score


class KernelDistance(SetMetric):
    """KAD of clips' features.

    Args:
        paired: sound i was made for clip i, whose own sound is reference i; False for independent sets.

    Example:
        >>> features = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
        >>> metric = KernelDistance()
        >>> metric.update(generated=features, reference=features)
        >>> float(metric.compute())
        0.0
    """

    name, title, headline = "kad", "KAD", False
    formula = "100 x unbiased squared MMD of paired sets, Gaussian kernel, bandwidth the reference's median distance"
    needs: ClassVar = {"generated": "tagger/embedding", "reference": "tagger/embedding"}
    minimum = 2

    def __init__(self, paired: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.paired = paired

    def value(self, generated: list[Tensor], reference: list[Tensor]) -> float:  # type: ignore[override]
        """KAD of all rows."""
        distance = paired_kernel_distance if self.paired else kernel_distance
        return float(distance(rows(generated), rows(reference)))

    def resampled(self, weights: Tensor, generated: list[Tensor], reference: list[Tensor]) -> Tensor:  # type: ignore[override]
        """(B,) KAD of resampled pairs."""
        return paired_kernel_distance(rows(generated), rows(reference), weights)

    def results(self, clip_ids: list[str], weights: Tensor) -> dict[str, Score]:
        """KAD with its resamples; of pairs both from the same kernels."""
        if not self.paired:
            return super().results(clip_ids, weights)
        once = weights.new_ones(1, len(clip_ids))
        found = self.resampled(torch.cat([once, weights]), **self.sides())
        return {self.name: Score(float(found[0]), clip_ids, found[1:])}
