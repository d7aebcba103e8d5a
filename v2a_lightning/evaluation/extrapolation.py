"""FAD of infinitely many sounds, from how FAD falls with their number.

A Frechet distance of finite sets is too large by an amount proportional to 1 / N. Measured on parts of the set and
extended along a straight line to 1 / N = 0, most of it is gone. Source: M. J. Chong and D. Forsyth, "Effectively
Unbiased FID and Inception Score", CVPR 2020; for sound A. Gui et al., "Adapting Frechet Audio Distance", 2024.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from v2a_lightning.evaluation.frechet import frechet_distance
from v2a_lightning.evaluation.shapes import check_features, stored_rows

MINIMUM_CLIPS = 16
SIZES = 8
DRAWS = 4
SEED = 2020


def frechet_at_infinity(generated: Sequence[Tensor], reference: Sequence[Tensor]) -> float:
    """Intercept of the least-squares line through (1 / n, Frechet distance of n clips on either side).

    The same clips are drawn on both sides, so that both sides' excess is taken away and a set against itself gives 0.
    There are eight sizes n at equal steps from a quarter of the clips to all of them, four draws without replacement
    each, from a fixed seed. The result may be slightly negative.

    Args:
        generated: N clips' features, (examples, D) each.
        reference: the same clips' reference features; the number of examples may differ.

    Raises:
        ValueError: when the numbers of clips differ or are below 16.
    """
    count = len(generated)
    if len(reference) != count or count < MINIMUM_CLIPS:
        raise ValueError(f"{MINIMUM_CLIPS} clips on both sides are needed; there are {count} and {len(reference)}")
    random = torch.Generator().manual_seed(SEED)
    points = []
    for size in np.unique(np.linspace(count // 4, count, SIZES).astype(int)):
        for _ in range(DRAWS if size < count else 1):
            rows = torch.randperm(count, generator=random)[: int(size)].tolist()
            parts = (torch.cat([side[row] for row in rows]) for side in (generated, reference))
            points.append((1.0 / size, frechet_distance(*parts)))
    inverse, distances = np.array(points).T
    _, intercept = np.polyfit(inverse, distances, 1)
    return float(intercept)


class FrechetAtInfinity(Metric):
    """`frechet_at_infinity` over a stream of clips, whose features are kept and gathered over processes.

    Clips are brought into an order of their content before any is drawn: the same clips give the same number however
    they were shared out.

    Args:
        features: width D of the features.
    """

    full_state_update = False
    higher_is_better = False
    is_differentiable = False

    def __init__(self, features: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.features = features
        for side in ("generated", "reference"):
            self.add_state(side, [], dist_reduce_fx="cat")
            self.add_state(f"{side}_lengths", [], dist_reduce_fx="cat")

    def update(self, generated: Sequence[Tensor], reference: Sequence[Tensor]) -> None:
        """Add clips: (examples, D) for each and for its reference.

        Raises:
            ValueError: when the numbers of clips differ or a shape does not fit.
        """
        for pair in zip(generated, reference, strict=True):
            for side, examples in zip(("generated", "reference"), pair, strict=True):
                check_features(examples, examples.new_zeros(1, self.features), minimum=1)
                getattr(self, side).append(examples.detach().to(self.device, self.dtype).flatten())
                # As features are: torchmetrics gathers an empty list of another process as such.
                length = torch.tensor([len(examples)], device=self.device, dtype=self.dtype)
                getattr(self, f"{side}_lengths").append(length)

    def compute(self) -> Tensor:
        """The distance, a double.

        Raises:
            ValueError: when there are fewer than 16 clips.
        """
        pairs = zip(self._clips("generated"), self._clips("reference"), strict=True)
        ordered = sorted(pairs, key=lambda pair: hashlib.sha256(torch.cat(pair).numpy().tobytes()).digest())
        distance = frechet_at_infinity([made for made, _ in ordered], [own for _, own in ordered])
        return torch.tensor(distance, dtype=torch.float64, device=self.device)

    def _clips(self, side: str) -> list[Tensor]:
        lengths = getattr(self, f"{side}_lengths")
        counts = (torch.cat(lengths) if isinstance(lengths, list) and lengths else torch.as_tensor(lengths)).long()
        return list(stored_rows(getattr(self, side), self.features).cpu().split(counts.tolist()))
