"""How far apart two sets of embeddings are."""

import numpy as np
import pytest

from v2a_lightning.reports.domain_gap import measure_gap, principal_axes, project

RANDOM = np.random.default_rng(0)


def cloud(shift: float, count: int = 200) -> np.ndarray:
    """Points (count, 8) of unit variance, moved along the first axis."""
    points = RANDOM.standard_normal((count, 8)).astype(np.float32)
    points[:, 0] += shift
    return points


def test_one_cloud_cannot_be_told_from_itself() -> None:
    gap = measure_gap(cloud(0), cloud(0))
    assert gap.centroid < 0.5
    assert 0.4 < gap.separability < 0.62
    assert gap.frechet < 0.5


def test_two_clouds_are_their_distance_apart() -> None:
    gap = measure_gap(cloud(0), cloud(6, 80))
    assert gap.centroid == pytest.approx(6, abs=0.3)
    assert gap.separability > 0.99
    assert gap.frechet == pytest.approx(36, rel=0.1)


def test_too_few_embeddings_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5 embeddings a set, not 4 and 200"):
        measure_gap(cloud(0, 4), cloud(0))


def test_principal_axes_find_the_gap_and_keep_their_signs() -> None:
    first, second = cloud(0), cloud(9)
    mean, axes = principal_axes([first, second])
    assert abs(axes[0, 0]) > 0.98
    assert axes[0, 0] > 0
    assert np.allclose(axes @ axes.T, np.eye(2), atol=1e-5)
    projected = project(second, mean, axes).mean(0) - project(first, mean, axes).mean(0)
    assert projected[0] == pytest.approx(9, abs=0.4)
