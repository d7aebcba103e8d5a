"""FAD of infinitely many sounds, from how FAD falls with their number.

A Frechet distance of finite sets is too large by an amount proportional to 1 / N. Measured on parts of the set and
extended along a straight line to 1 / N = 0, most of it is gone. Source: M. J. Chong and D. Forsyth, "Effectively
Unbiased FID and Inception Score", CVPR 2020; for sound A. Gui et al., "Adapting Frechet Audio Distance", 2024.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.metrics.frechet import frechet_distance

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
