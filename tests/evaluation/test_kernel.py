import math

import pytest
import torch

from v2a_lightning import distances
from v2a_lightning.distances import kernel_distance, median_bandwidth, paired_kernel_distance
from v2a_lightning.evaluation import KernelDistance
from v2a_lightning.evaluation.score_files import resample_counts


def plain_kernel(first: list[float], second: list[float], bandwidth: float) -> float:
    square = sum((a - b) ** 2 for a, b in zip(first, second, strict=True))
    return math.exp(-square / (2 * bandwidth**2))


def normal(count: int, width: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) + shift


def test_bandwidth_is_the_references_median_distance() -> None:
    points = torch.tensor([[0.0], [1.0], [3.0]])  # distances 1, 2, 3
    assert median_bandwidth(points) == 2.0
    with pytest.raises(ValueError, match="no bandwidth"):
        median_bandwidth(torch.ones(4, 2))


def test_estimators_written_out() -> None:
    first, second = normal(5, 3, 0), normal(5, 3, 1, 0.5)
    a, b = first.tolist(), second.tolist()
    s = median_bandwidth(second)
    n = 5
    within = sum(plain_kernel(x[i], x[j], s) for x in (a, b) for i in range(n) for j in range(n) if i != j)
    everything = sum(plain_kernel(a[i], b[j], s) for i in range(n) for j in range(n))
    others = sum(plain_kernel(a[i], b[j], s) for i in range(n) for j in range(n) if i != j)
    expected = 100 * (within / (n * (n - 1)) - 2 * everything / n**2)
    assert kernel_distance(first, second) == pytest.approx(expected, rel=1e-6)
    assert float(paired_kernel_distance(first, second)) == pytest.approx(100 * (within - 2 * others) / 20, rel=1e-6)


def test_sets_of_unequal_sizes_by_hand() -> None:
    # Distances 1, 3 and 4 in the reference: their median is 3, which is not their mean.
    reference, generated = torch.tensor([[0.0], [1.0], [4.0]]), torch.tensor([[0.0], [2.5]])
    assert median_bandwidth(reference) == 3.0
    kernel = [[plain_kernel([a], [b], 3.0) for b in (0.0, 1.0, 4.0)] for a in (0.0, 1.0, 4.0)]
    within = plain_kernel([0.0], [2.5], 3.0) + (kernel[0][1] + kernel[0][2] + kernel[1][2]) / 3
    across = sum(plain_kernel([a], [b], 3.0) for a in (0.0, 2.5) for b in (0.0, 1.0, 4.0)) / 6
    assert kernel_distance(generated, reference) == pytest.approx(100 * (within - 2 * across))


def test_samples_at_equal_steps_stand_for_a_large_set() -> None:
    # Of L points on a line, half of the distances are below L (1 - 1 / sqrt 2), if the samples span it.
    line = torch.arange(6144.0)[:, None]
    assert median_bandwidth(line) == pytest.approx(6144 * (1 - math.sqrt(0.5)), rel=2e-3)


def test_closed_form_of_a_shift() -> None:
    # Two unit Gaussians in one dimension, kernel width s: E k = s / sqrt(s^2 + 2) exp(-shift^2 / (2 (s^2 + 2))).
    first, second = normal(1500, 1, 0, 1.0), normal(1500, 1, 1)
    s = median_bandwidth(second)
    factor = s / math.sqrt(s**2 + 2)
    expected = 100 * 2 * factor * (1 - math.exp(-1 / (2 * (s**2 + 2))))
    assert kernel_distance(first, second) == pytest.approx(expected, rel=0.1)
    assert float(paired_kernel_distance(first, second)) == pytest.approx(expected, rel=0.1)


def test_grows_with_the_shift_and_is_unbiased() -> None:
    reference = normal(200, 8, 0)
    values = [kernel_distance(normal(200, 8, 1, shift), reference) for shift in (0.0, 0.3, 0.6, 1.2)]
    assert values == sorted(values)
    repeats = [kernel_distance(normal(50, 4, 2 * seed), normal(50, 4, 2 * seed + 1)) for seed in range(60)]
    deviation = torch.tensor(repeats).std() / 60**0.5
    assert abs(sum(repeats) / 60) < 3 * deviation
    assert min(repeats) < 0


def test_pairs_against_themselves_are_exactly_zero() -> None:
    features = normal(37, 6, 0)
    assert float(paired_kernel_distance(features, features)) == 0.0


def test_resamples_equal_drawing_the_pairs() -> None:
    first, second = normal(9, 4, 0), normal(9, 4, 1)
    counts = resample_counts(9, 3, seed=1)
    found = paired_kernel_distance(first, second, counts)
    s = median_bandwidth(second)
    for drawn, value in zip(counts, found, strict=True):
        total = 0.0
        for i in range(9):
            for j in range(9):
                if i != j:
                    h = plain_kernel(first[i].tolist(), first[j].tolist(), s)
                    h += plain_kernel(second[i].tolist(), second[j].tolist(), s)
                    h -= plain_kernel(first[i].tolist(), second[j].tolist(), s)
                    h -= plain_kernel(second[i].tolist(), first[j].tolist(), s)
                    total += float(drawn[i] * drawn[j]) * h
        assert float(value) == pytest.approx(100 * total / 72, rel=1e-5, abs=1e-9)


def test_blocks_are_one_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = normal(37, 4, 0), normal(37, 4, 1)
    counts = resample_counts(37, 5, seed=1)
    whole = paired_kernel_distance(first, second, counts)
    monkeypatch.setattr(distances, "ROWS_AT_ONCE", 8)
    assert paired_kernel_distance(first, second, counts).tolist() == pytest.approx(whole.tolist(), rel=1e-12)
    assert float(paired_kernel_distance(first, first)) == 0.0


def test_value_and_resamples_are_of_the_same_kernels() -> None:
    metric = KernelDistance()
    metric.update(normal(12, 4, 0), normal(12, 4, 1))
    score = metric.results([str(clip) for clip in range(12)], counts := resample_counts(12, 3, seed=1))["kad"]
    assert score.value == pytest.approx(float(metric.compute()), rel=1e-12)
    expected = paired_kernel_distance(normal(12, 4, 0), normal(12, 4, 1), counts)
    assert score.replicates.tolist() == pytest.approx(expected.tolist(), rel=1e-12)


def test_stream_equals_the_whole() -> None:
    first, second = normal(20, 4, 0), normal(15, 4, 1, 0.4)
    metric = KernelDistance(paired=False)
    for start in range(0, 20, 6):
        metric.update(generated=first[start : start + 6])
    metric.update(reference=second)
    assert float(metric.compute()) == pytest.approx(kernel_distance(first, second), rel=1e-6)
    paired = KernelDistance()
    for start in range(0, 15, 6):
        paired.update(first[:15][start : start + 6], second[start : start + 6])
    assert float(paired.compute()) == float(paired_kernel_distance(first[:15], second))
    metric.reset()
    metric.update(generated=first[:1], reference=second)
    with pytest.raises(ValueError, match="at least 2 samples"):
        metric.compute()
