import pytest
import torch

from v2a_lightning.distances import frechet_distance
from v2a_lightning.evaluation import FrechetAtInfinity

frechet_at_infinity = FrechetAtInfinity().value


def clips(count: int, seed: int, shift: float = 0.0) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(3, 12, generator=random, dtype=torch.float64) + shift for _ in range(count)]


def test_less_biased_than_the_distance_itself() -> None:
    # Two draws of one Gaussian: the true distance is 0.
    made, own = clips(60, 0), clips(60, 1)
    finite = frechet_distance(torch.cat(made), torch.cat(own))
    assert finite > 0.3
    assert abs(frechet_at_infinity(made, own)) < finite / 4


def test_a_known_distance_is_found() -> None:
    made, own = clips(80, 0, shift=0.5), clips(80, 1)
    assert frechet_at_infinity(made, own) == pytest.approx(12 * 0.25, rel=0.1)


def test_the_line_written_out() -> None:
    made, own = clips(18, 0, shift=0.3), clips(18, 1)
    draw, rows = torch.Generator().manual_seed(2020), []
    # From a quarter of 18 to all of them in eight steps; all of them can be drawn in one way only.
    for size in (4, 6, 8, 10, 12, 14, 16, 18):
        for _ in range(4 if size < 18 else 1):
            chosen = torch.randperm(18, generator=draw)[:size].tolist()
            parts = [torch.cat([side[one] for one in chosen]) for side in (made, own)]
            rows.append((1.0, 1.0 / size, frechet_distance(parts[0], parts[1])))
    table = torch.tensor(rows, dtype=torch.float64)
    line = torch.linalg.lstsq(table[:, :2], table[:, 2:]).solution
    assert frechet_at_infinity(made, own) == pytest.approx(float(line[0]), rel=1e-9)


def test_a_set_against_itself_is_zero_and_a_call_repeats() -> None:
    made = clips(20, 0)
    assert abs(frechet_at_infinity(made, made)) < 1e-9
    other = clips(20, 1)
    assert frechet_at_infinity(made, other) == frechet_at_infinity(made, other)


def test_too_few_clips() -> None:
    with pytest.raises(ValueError, match="16 clips on both sides are needed; there are 15 and 15"):
        frechet_at_infinity(clips(15, 0), clips(15, 1))
