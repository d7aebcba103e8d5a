"""Numbers from records, and their resamples, written out."""

import pytest
import torch

from v2a_lightning.distances import frechet_distance
from v2a_lightning.evaluation import ClipScore, FrechetDistance, InceptionScore
from v2a_lightning.evaluation.catalogue import DEFAULT_METRICS
from v2a_lightning.evaluation.records import FLOOR_CLIPS, ClipRecord, floors_of, score_records
from v2a_lightning.evaluation.score_files import Score, resample_counts

VALUES = (3.0, 10.0, 44.0)


def test_a_number_that_is_not_finite_is_missing() -> None:
    records = [ClipRecord(f"clip{place}", values={"cs": value}) for place, value in enumerate((1.0, float("nan")))]
    scores = score_records([ClipScore()], records)
    assert scores.found == {}
    assert scores.missing == {"cs": "its value is not finite"}


def test_resamples_of_a_mean_are_means_of_the_clips_drawn() -> None:
    records = [ClipRecord(f"clip{place}", values={"cs": value}) for place, value in enumerate(VALUES)]
    score = score_records([ClipScore()], records, resamples=5, seed=7).found["cs"]
    drawn = torch.randint(3, (5, 3), generator=torch.Generator().manual_seed(7)).tolist()
    assert score.value == 19.0
    assert score.replicates.tolist() == pytest.approx([sum(VALUES[clip] for clip in one) / 3 for one in drawn])


def test_a_floor_is_the_distance_of_two_halves_of_the_references() -> None:
    own = torch.randn(2 * FLOOR_CLIPS + 1, 4, generator=torch.Generator().manual_seed(0))
    records = [
        ClipRecord(f"{place:02d}", {side: {"tagger/embedding": one} for side in ("generated", "reference")})
        for place, one in enumerate(own)
    ]
    floors = floors_of([FrechetDistance(), InceptionScore(), ClipScore()], records)
    assert floors == {"fd": frechet_distance(own[:-1:2], own[1::2])}
    assert floors["fd"] > 0
    assert floors_of([FrechetDistance()], records[: 2 * FLOOR_CLIPS - 1]) == {}
    every = floors_of([metric() for metric in DEFAULT_METRICS], records)
    assert every.keys() == {"fd", "kad"}, "of what these clips have"


def test_intervals_shrink_with_the_root_of_the_clips() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    widths = []
    for part in (values[:25], values):
        replicates = resample_counts(len(part), 1000, 0) @ part / len(part)
        interval = Score(float(part.mean()), [], replicates).interval()
        assert interval is not None
        assert interval[0] < part.mean() < interval[1]
        widths.append(interval[1] - interval[0])
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.35)
    bounded = Score(0.0, [], torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)).interval(floor=0.0)
    assert bounded is not None
    assert bounded[0] == 0.0
