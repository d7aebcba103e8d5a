import time
import warnings

import numpy as np
import pytest
import scipy.linalg
import torch

from v2a_lightning.distances import _distance, _nuclear_norm, _root, frechet_distance
from v2a_lightning.evaluation import FrechetDistance


def gaussian(count: int, width: int, seed: int, spread: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=random, dtype=torch.float64) / width**0.5
    return shift + spread * torch.randn(count, width, generator=random, dtype=torch.float64) @ (mix + torch.eye(width))


def by_matrix_root(first: torch.Tensor, second: torch.Tensor) -> float:
    """The textbook form with SciPy's matrix square root, as the public tools compute it."""
    a, b = np.cov(first.numpy(), rowvar=False), np.cov(second.numpy(), rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = scipy.linalg.sqrtm(a @ b)
    difference = first.numpy().mean(0) - second.numpy().mean(0)
    return float(difference @ difference + np.trace(a) + np.trace(b) - 2 * np.trace(root).real)


def from_moments(mean1: torch.Tensor, cov1: torch.Tensor, mean2: torch.Tensor, cov2: torch.Tensor) -> float:
    """The distance of Gaussians that are known by their moments."""
    return _distance((mean1 - mean2).double().square().sum(), _root(cov1.double()), _root(cov2.double()))


def test_closed_forms() -> None:
    identity = torch.eye(3)
    zero = torch.zeros(3)
    # One covariance: the squared distance of the means.
    assert from_moments(zero, identity, torch.tensor([3.0, 4.0, 0.0]), identity) == pytest.approx(25.0)
    # Covariances that commute: the sum of squared differences of the standard deviations.
    first, second = torch.diag(torch.tensor([1.0, 4.0, 9.0])), torch.diag(torch.tensor([4.0, 4.0, 1.0]))
    assert from_moments(zero, first, zero, second) == pytest.approx(1 + 0 + 4)
    # One-dimensional subspaces at an angle: tr = a + b, overlap = |cos|.
    line, other = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.6, 0.8, 0.0])
    found = from_moments(zero, torch.outer(line, line), zero, torch.outer(other, other))
    assert found == pytest.approx(2 - 2 * 0.6)
    assert from_moments(zero, torch.zeros(3, 3), zero, identity) == pytest.approx(3.0)


def test_samples_of_known_gaussians() -> None:
    random = torch.Generator().manual_seed(0)
    first = torch.randn(200_000, 2, generator=random)
    second = 2.0 * torch.randn(200_000, 2, generator=random) + torch.tensor([1.0, -1.0])
    assert frechet_distance(first, second) == pytest.approx(1 + 1 + 1 + 1, rel=0.02)


@pytest.mark.parametrize(("count", "other", "width"), [(500, 400, 40), (2000, 3000, 64), (65, 64, 64)])
def test_equals_the_matrix_root_where_that_is_well_conditioned(count: int, other: int, width: int) -> None:
    first, second = gaussian(count, width, 0), gaussian(other, width, 1, spread=1.3, shift=0.2)
    expected = by_matrix_root(first, second)
    tolerance = 1e-8 if min(count, other) > width + 1 else 1e-5
    assert frechet_distance(first, second) == pytest.approx(expected, rel=tolerance)


def test_fewer_samples_than_dimensions() -> None:
    # Rotating six-dimensional sets into forty dimensions changes no distance.
    first, second = gaussian(12, 6, 0), gaussian(15, 6, 1, shift=0.5)
    rotation, _ = torch.linalg.qr(gaussian(40, 40, 2))
    inside = frechet_distance(first, second)
    assert frechet_distance(first @ rotation[:6], second @ rotation[:6]) == pytest.approx(inside, rel=1e-10)
    metric = FrechetDistance()
    metric.update(first @ rotation[:6], second @ rotation[:6])
    assert float(metric.compute()) == pytest.approx(inside, rel=1e-7)


@pytest.mark.parametrize("decades", [2, 7, 14])
def test_the_nuclear_norm_however_small_the_least_singular_value(decades: int) -> None:
    left, right = (torch.linalg.qr(gaussian(40, 40, seed))[0] for seed in (0, 1))
    values = torch.logspace(0, -decades, 40, dtype=torch.float64)
    assert float(_nuclear_norm((left * values) @ right)) == pytest.approx(float(values.sum()), rel=1e-12)
    assert float(_nuclear_norm((left[:, :9] * values[:9]) @ right[:9])) == pytest.approx(float(values[:9].sum()), 1e-12)


def test_dead_units_have_no_width() -> None:
    first, second = gaussian(300, 10, 0), gaussian(300, 10, 1)
    padded = [torch.cat([part, torch.zeros(300, 5, dtype=torch.float64)], dim=1) for part in (first, second)]
    assert frechet_distance(*padded) == pytest.approx(frechet_distance(first, second), rel=1e-9)


@pytest.mark.parametrize(("count", "width"), [(30, 100), (300, 20)])
def test_a_set_against_itself_is_zero(count: int, width: int) -> None:
    features = gaussian(count, width, 3)
    assert 0.0 <= frechet_distance(features, features) < 1e-10
    metric = FrechetDistance()
    metric.update(features, features)
    assert 0.0 <= float(metric.compute()) < 1e-8


def test_symmetric_and_blind_to_order() -> None:
    first, second = gaussian(50, 8, 0), gaussian(60, 8, 1)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first.flip(0)), rel=1e-12)


def test_stream_equals_the_whole() -> None:
    first, second = gaussian(120, 16, 0, shift=30.0).float(), gaussian(90, 16, 1, shift=30.5).float()
    metric = FrechetDistance()
    for start in range(0, 120, 7):
        metric.update(generated=first[start : start + 7])
    for start in range(0, 90, 11):
        metric.update(reference=second[start : start + 11])
    assert float(metric.compute()) == pytest.approx(frechet_distance(first, second), rel=1e-8)
    metric.reset()
    metric.update(first, first)
    assert float(metric.compute()) < 1e-8


def test_bad_features_are_refused() -> None:
    good = torch.zeros(3, 4)
    with pytest.raises(ValueError, match=r"not \(3, 4\) and \(3, 5\)"):
        frechet_distance(good, torch.zeros(3, 5))
    with pytest.raises(ValueError, match="at least 2 samples"):
        frechet_distance(good, good[:1])
    with pytest.raises(ValueError, match="not finite"):
        frechet_distance(good, torch.full((3, 4), float("nan")))
    metric = FrechetDistance()
    metric.update(good, good[:1])
    with pytest.raises(ValueError, match="at least 2 samples"):
        metric.compute()


@pytest.mark.full
@pytest.mark.parametrize(("count", "times"), [(100, 100), (15_446, 2)])
def test_speed_against_the_matrix_root(count: int, times: float) -> None:
    random = torch.Generator().manual_seed(0)
    first = torch.randn(count, 2048, generator=random, dtype=torch.float64)
    second = 1.1 * torch.randn(count, 2048, generator=random, dtype=torch.float64)
    began = time.process_time()
    found = frechet_distance(first, second)
    fast = time.process_time() - began
    began = time.process_time()
    expected = by_matrix_root(first, second)
    slow = time.process_time() - began
    assert found == pytest.approx(expected, rel=1e-8 if count > 2048 else 1e-5)
    assert slow > times * fast, f"{slow:.2f} s and {fast:.3f} s"
