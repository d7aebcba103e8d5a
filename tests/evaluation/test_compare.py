import dataclasses
import json
from pathlib import Path

import pytest
import torch

from tests.evaluation.test_cards import CARD
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.compare import Difference, best_system, check_comparable, paired_difference
from v2a_lightning.evaluation.score_files import Score, ScoreFile, Scores, read_score_file, resample_counts


def system(name: str, values: torch.Tensor, resamples: int = 400) -> ScoreFile:
    """A system whose KL is the mean of `values`."""
    replicates = resample_counts(len(values), resamples, 0) @ values / len(values)
    score = Score(float(values.mean()), [f"clip{i}" for i in range(len(values))], replicates, values)
    scores = Scores({"kl": score}, {"cs": "none"})
    return ScoreFile(name, scores, {"kl": CARD}, resamples, 0, ["a note"], {"generated": "x"})


def values(seed: int, spread: float = 1.0) -> torch.Tensor:
    return spread * torch.randn(60, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def difference(first: ScoreFile, second: ScoreFile) -> Difference:
    found = paired_difference(first.scores.found["kl"], second.scores.found["kl"])
    assert found is not None
    return found


def test_files_come_back_as_they_were(tmp_path: Path) -> None:
    file = system("ours", values(0))
    file.write(tmp_path / "scores.json")
    again = read_score_file(tmp_path / "scores.json")
    assert again.scores.found["kl"].replicates.equal(file.scores.found["kl"].replicates)
    assert again.cards == file.cards
    assert (again.name, again.notes, again.scores.missing) == ("ours", ["a note"], {"cs": "none"})


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    with pytest.raises(UsageError, match="there is no such file"):
        read_score_file(path)
    for content in ("[]", "{", '{"metrics": {}}'):
        path.write_text(content)
        with pytest.raises(UsageError, match="is no file that `evaluate` wrote"):
            read_score_file(path)
    system("ours", values(0)).write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(UsageError, match="has format 99"):
        read_score_file(path)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("value", None, "metrics.kl.value is null, not a number"),
        ("per_clip", [1.0, 2.0], "metrics.kl has 2 values of 60 clips"),
        ("replicates", [1.0], "metrics.kl has 1 replicates where 400 were drawn"),
        ("clip_ids", ["../x"], "the clip id '../x' cannot be the name of a file"),
    ],
)
def test_numbers_that_do_not_fit_one_another(tmp_path: Path, key: str, value: object, told: str) -> None:
    path = tmp_path / "scores.json"
    system("ours", values(0)).write(path)
    content = json.loads(path.read_text())
    content["metrics"]["kl"][key] = value
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=rf"scores.json: is no file that `evaluate` wrote \({told}\)"):
        read_score_file(path)


def test_pairing_finds_a_small_difference_that_intervals_hide() -> None:
    base = values(0)
    first, second = system("base", base), system("ours", base - 0.1 + values(1, 0.05))
    found = difference(first, second)
    assert found.value == pytest.approx(-0.1, abs=0.02)
    assert found.low < found.value < found.high < 0
    assert found.p_value <= 0.005
    intervals = [file.scores.found["kl"].interval() for file in (first, second)]
    assert intervals[0] is not None
    assert intervals[1] is not None
    assert intervals[0][0] < intervals[1][1], "on their own the two overlap"


def test_no_difference_is_not_significant() -> None:
    base = values(0)
    same = difference(system("a", base), system("b", base))
    noise = difference(system("a", base), system("b", base + values(2, 0.3)))
    assert same.p_value == 1.0
    assert same.value == 0.0
    assert noise.p_value > 0.05


def test_interval_and_p_by_hand() -> None:
    # The differences 1, ..., 9 are moved by 3 to have the measured 2 as their mean: -2, ..., 6.
    clips = ["a", "b"]
    first = Score(10.0, clips, torch.full((9,), 4.0, dtype=torch.float64))
    second = Score(12.0, clips, torch.arange(5.0, 14.0, dtype=torch.float64))
    found = paired_difference(first, second)
    assert found is not None
    assert found.value == 2.0
    assert (found.low, found.high) == pytest.approx((-2 + 8 * 0.025, -2 + 8 * 0.975))
    # Three of nine are not above zero, on one of two sides.
    assert found.p_value == pytest.approx(2 * (3 + 1) / (9 + 1))
    far = paired_difference(first, Score(30.0, clips, second.replicates))
    assert far is not None
    assert far.p_value == pytest.approx(2 * (0 + 1) / (9 + 1))


def test_p_values_keep_their_promise() -> None:
    # Of systems that do not differ, about a twentieth may come out below 0.05.
    found = []
    for seed in range(200):
        base = values(2 * seed + 1000)
        other = base + values(2 * seed + 1001, 0.5)
        found.append(difference(system("a", base, 200), system("b", other, 200)).p_value < 0.05)
    assert 0.02 < sum(found) / len(found) < 0.11


def test_differing_cards_are_refused_by_field() -> None:
    first, second = system("base", values(0)), system("ours", values(1))
    check_comparable([first, second])
    for field, value in (("weights_sha256", "zz"), ("sample_rate", 32_000), ("crop", "8 s"), ("clips_sha256", "qq")):
        other = dataclasses.replace(second, cards={"kl": dataclasses.replace(CARD, **{field: value})})
        with pytest.raises(UsageError, match=rf"base and ours cannot be compared: the cards of kl differ in {field}"):
            check_comparable([first, other])
    generation = dataclasses.replace(CARD, generation={"steps": 200}, silent_share=0.5)
    check_comparable([first, dataclasses.replace(second, cards={"kl": generation})])


def test_other_resamples_are_refused() -> None:
    with pytest.raises(UsageError, match=r"took other resamples \(400, seed 0 and 50, seed 0\)"):
        check_comparable([system("base", values(0)), system("ours", values(1), 50)])


def test_without_resamples_values_stand_side_by_side() -> None:
    first, second = system("base", values(0)), system("ours", values(1), 0)
    check_comparable([first, second])
    assert paired_difference(first.scores.found["kl"], second.scores.found["kl"]) is None


def test_the_best_goes_by_the_metrics_direction() -> None:
    low, high = system("low", values(0) - 5), system("high", values(0))
    assert best_system("kl", [high, low]) == 1
    assert best_system("fd", [high, low]) is None
