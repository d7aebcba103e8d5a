"""FD on Cnn14, FAD on VGGish, FAD at infinity: the Frechet distance of `v2a_lightning.distances` as metrics."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.distances import frechet_distance
from v2a_lightning.evaluation.metric import SetMetric, rows

# FAD at infinity: eight sizes, four draws of each, from a fixed seed.
MINIMUM_CLIPS, SIZES, DRAWS, SEED = 16, 8, 4, 2020


class FrechetDistance(SetMetric):
    """`frechet_distance` of two sets of features (N, D), one for each clip.

    Example:
        >>> features = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        >>> metric = FrechetDistance()
        >>> metric.update(generated=features + torch.tensor([3.0, 4.0, 0.0, 0.0]), reference=features)
        >>> round(float(metric.compute()), 4)
        25.0
    """

    name, title, floor = "fd", "FD", 0.0
    formula = "Frechet distance of one embedding per clip (after fc1 and ReLU)"
    meaning = "Fréchet distance of tagger features: how far the generated sounds are from true ones as a set"
    needs: ClassVar = {"generated": "tagger/embedding", "reference": "tagger/embedding"}
    minimum = 2

    def value(self, generated: list[Tensor], reference: list[Tensor]) -> float:  # type: ignore[override]
        """The distance of all rows."""
        return frechet_distance(rows(generated), rows(reference))


class FrechetAudioDistance(FrechetDistance):
    """`frechet_distance` of VGGish's embeddings, several for each clip: `update` takes (examples, D) for each.

    Example:
        >>> examples = torch.randn(8, 3, 4, generator=torch.Generator().manual_seed(0))
        >>> metric = FrechetAudioDistance()
        >>> metric.update(generated=list(examples + 1), reference=list(examples))
        >>> round(float(metric.compute()), 4)
        4.0
    """

    name, title = "fad", "FAD"
    formula = "Frechet distance of one embedding per 0.96 s (no PCA, no last ReLU)"
    meaning = "Fréchet distance of VGGish features"
    needs: ClassVar = {"generated": "vggish/examples", "reference": "vggish/examples"}


class FrechetAtInfinity(SetMetric):
    """Intercept of the least-squares line through (1 / n, Frechet distance of n clips on either side).

    A distance of finite sets is too large by an amount proportional to 1 / n; most of it is gone at 1 / n = 0. Source:
    M. J. Chong and D. Forsyth, CVPR 2020; for sound A. Gui et al., "Adapting Frechet Audio Distance", 2024.

    The same clips are drawn on both sides, so that both sides' excess is taken away and a set against itself gives 0.
    There are eight sizes n at equal steps from a quarter of the clips to all of them, four draws without replacement
    each, from a fixed seed. The result may be slightly negative. `update` takes (examples, D) for each clip.

    Example:
        >>> examples = torch.randn(16, 3, 4, generator=torch.Generator().manual_seed(0))
        >>> metric = FrechetAtInfinity()
        >>> metric.update(generated=list(examples + 1), reference=list(examples))
        >>> round(float(metric.compute()), 4)
        4.0
    """

    name, title, headline = "fad_infinity", "FAD inf", False
    formula = "FAD of paired parts of the set, extended to 1 / N = 0"
    needs: ClassVar = {"generated": "vggish/examples", "reference": "vggish/examples"}
    minimum = MINIMUM_CLIPS

    def value(self, generated: list[Tensor], reference: list[Tensor]) -> float:  # type: ignore[override]
        """The extended distance; the two numbers of a clip's examples may differ."""
        count = len(generated)
        if len(reference) != count or count < MINIMUM_CLIPS:
            raise ValueError(f"{MINIMUM_CLIPS} clips on both sides are needed; there are {count} and {len(reference)}")
        random = torch.Generator().manual_seed(SEED)
        points = []
        for size in np.unique(np.linspace(count // 4, count, SIZES).astype(int)):
            for _ in range(DRAWS if size < count else 1):
                chosen = torch.randperm(count, generator=random)[: int(size)].tolist()
                parts = (torch.cat([side[row] for row in chosen]) for side in (generated, reference))
                points.append((1.0 / size, frechet_distance(*parts)))
        inverse, distances = np.array(points).T
        return float(np.polyfit(inverse, distances, 1)[1])
