import pytest
import torch

from v2a_lightning import distances
from v2a_lightning.evaluation import neighbours
from v2a_lightning.evaluation.neighbours import neighbourhoods


def plain(made: torch.Tensor, real: torch.Tensor, k: int) -> tuple[float, float, float, float]:
    """Precision, recall, density, coverage by their definitions."""

    def radius(points: torch.Tensor, i: int) -> float:
        return sorted(float((points[i] - p).norm()) for j, p in enumerate(points) if j != i)[k - 1]

    inside = [[float((r - m).norm()) < radius(real, i) for m in made] for i, r in enumerate(real)]
    back = [[float((r - m).norm()) < radius(made, j) for j, m in enumerate(made)] for r in real]
    precision = sum(any(row[j] for row in inside) for j in range(len(made))) / len(made)
    recall = sum(any(row) for row in back) / len(real)
    density = sum(sum(row) for row in inside) / (k * len(made))
    return precision, recall, density, sum(any(row) for row in inside) / len(real)


def normal(count: int, seed: int, spread: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    return spread * torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


@pytest.mark.parametrize(("spread", "shift"), [(1.0, 0.0), (0.3, 0.0), (1.0, 1.5)])
def test_equals_the_definitions(spread: float, shift: float) -> None:
    made, real = normal(12, 0, spread, shift), normal(15, 1)
    found = neighbourhoods(made, real, neighbours=4)
    assert [float(values.mean()) for values in found.values()] == pytest.approx(plain(made, real, 4))


def test_blocks_are_one_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = normal(23, 0, shift=0.4), normal(31, 1)
    whole = neighbourhoods(made, real)
    for module in (distances, neighbours):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    for name, values in neighbourhoods(made, real).items():
        assert values.equal(whole[name]), name


def test_equal_samples_lie_on_the_ball_and_not_within_it() -> None:
    # Far from the origin, where a distance is the small difference of large products.
    points = normal(30, 0, shift=1e4)
    points[:8] = points[0]
    found = neighbourhoods(points, points)
    assert found["density"].tolist() == neighbourhoods(points - 1e4, points - 1e4)["density"].tolist()
    assert found["precision"][:8].tolist() == [0.0] * 8, "a ball without a width holds nothing, not its own centre"


def test_a_set_against_itself_and_far_away() -> None:
    points = normal(30, 0)
    same, far = neighbourhoods(points, points), neighbourhoods(points + 100, points)
    for name in ("precision", "recall", "density", "coverage"):
        assert float(same[name].mean()) == pytest.approx(1.0)
        assert float(far[name].mean()) == 0.0


def test_collapse_lowers_recall_and_coverage_alone() -> None:
    collapsed = neighbourhoods(normal(60, 0, spread=0.1), normal(60, 1))
    assert float(collapsed["precision"].mean()) > 0.9
    assert float(collapsed["recall"].mean()) < 0.2
    assert float(collapsed["coverage"].mean()) < 0.6


def test_too_few_samples() -> None:
    with pytest.raises(ValueError, match="at least 6 samples"):
        neighbourhoods(normal(5, 0), normal(9, 1))
