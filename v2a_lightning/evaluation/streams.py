"""What metrics keep of a stream of clips, exact over processes however unevenly they share it: a mean's two sums, or
the features of two sets."""

import torch
from torch import Tensor
from torchmetrics import Metric

from v2a_lightning.evaluation.shapes import check_features, stored_rows


class MeanOfScores(Metric):
    """Mean of per-clip scores; sums added over processes. Subclasses say in `update` what a clip's score is."""

    full_state_update = False
    is_differentiable = False
    total: Tensor
    count: Tensor

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.set_dtype(torch.float64)

    def add(self, scores: Tensor) -> None:
        """Add scores (N,)."""
        self.total = self.total + scores.detach().to(self.total).sum()
        self.count = self.count + len(scores)

    def compute(self) -> Tensor:
        """The mean, a double.

        Raises:
            ValueError: when there was no clip.
        """
        if not int(self.count):
            raise ValueError("a mean score needs at least one clip")
        return self.total / self.count


class TwoSets(Metric):
    """Features of generated and of reference sounds, kept and gathered over processes.

    Args:
        features: width D of the features.
    """

    full_state_update = False
    is_differentiable = False
    generated: list[Tensor] | Tensor
    reference: list[Tensor] | Tensor

    def __init__(self, features: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.add_state("generated", [], dist_reduce_fx="cat")
        self.add_state("reference", [], dist_reduce_fx="cat")

    def update(self, generated: Tensor | None = None, reference: Tensor | None = None) -> None:
        """Add features (N, D) to either set or both."""
        for state, features in ((self.generated, generated), (self.reference, reference)):
            if features is not None:
                check_features(features, features.new_zeros(1, self.features), minimum=0)
                assert isinstance(state, list)
                state.append(features.detach().to(self.device, self.dtype).flatten())

    def sets(self) -> tuple[Tensor, Tensor]:
        """(N, D) generated and (M, D) reference features."""
        return stored_rows(self.generated, self.features), stored_rows(self.reference, self.features)
