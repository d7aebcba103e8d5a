"""What answers say: screening, opinions, preferences, agreement and correlations. All raters here are simulated."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from tests.listening.simulated import SimulatedRater
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.evaluation.cards import MetricCard
from v2a_lightning.evaluation.score_files import Score, ScoreFile, Scores
from v2a_lightning.listening.analysis import analyse_answers
from v2a_lightning.listening.answers import Choice, Responses, read_answers
from v2a_lightning.listening.correlation import correlate, kendall, spearman
from v2a_lightning.listening.key import Key
from v2a_lightning.listening.opinion import draw, opinion_replicates, opinions, preferences
from v2a_lightning.listening.reliability import agreements
from v2a_lightning.listening.screening import screen

Built = tuple[Path, Path, Key]


def saved(raters: list[SimulatedRater], key: Key, folder: Path) -> list[Path]:
    """The raters' files."""
    paths = [folder / f"{rater.code}.json" for rater in raters]
    for rater, path in zip(raters, paths, strict=True):
        path.write_text(json.dumps(rater.answers(key)))
    return paths


@pytest.fixture
def responses(built: Built, tmp_path: Path) -> Responses:
    """Eight careful simulated raters and two careless ones."""
    raters = [SimulatedRater(number, careless=number >= 8) for number in range(10)]
    return read_answers(saved(raters, built[2], tmp_path), built[2])


def made_up(ratings: np.ndarray, choices: tuple[Choice, ...] = ()) -> Responses:
    """Ratings (raters, systems, clips) of systems a, b, ... and no anchors."""
    raters, systems, clips = ratings.shape
    return Responses(
        tuple(f"simulated-{place}" for place in range(raters)),
        (True,) * raters,
        tuple("abcdefgh"[:systems]),
        tuple(f"clip{place}" for place in range(clips)),
        {"fidelity": ratings.astype(float)},
        list(choices),
        (systems * clips,) * raters,
        (systems * clips,) * raters,
    )


def test_answers_come_to_their_places(built: Built, tmp_path: Path) -> None:
    key, rater = built[2], SimulatedRater(1)
    found = read_answers(saved([rater], key, tmp_path), key)
    for answer in rater.answers(key)["answers"]:
        sound = key.sounds[answer["sounds"][0]]
        if answer["kind"] == "rating":
            place = 0, found.names.index(sound.name), found.clips.index(sound.clip_id)
            assert found.ratings["relevance"][place] == answer["relevance"]
    assert len(found.choices) == 5
    assert all(
        key.sounds[code].clip_id == found.clips[0] for code in key.sounds if key.sounds[code].clip_id == found.clips[0]
    )
    assert found.simulated == (True,)
    assert np.isfinite(found.ratings["fidelity"]).sum() == len(key.sounds)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test": "000000000000"}, "the key is that of test"),
        ({"format": 9}, "has format 9"),
        ({"answers": [{"kind": "rating", "sounds": ["nothing"]}]}, "does not fit the test"),
    ],
)
def test_files_that_do_not_belong_are_named(change: dict, message: str, built: Built, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(SimulatedRater(1).answers(built[2]) | change))
    with pytest.raises(UsageError, match=rf"one\.json.*{message}"):
        read_answers([path], built[2])


def test_a_rating_off_the_scale_and_a_rater_twice_are_refused(built: Built, tmp_path: Path) -> None:
    content = SimulatedRater(1).answers(built[2])
    first, second = tmp_path / "one.json", tmp_path / "two.json"
    for path in (first, second):
        path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="both from rater 'simulated-1'"):
        read_answers([first, second], built[2])
    content["answers"][0]["fidelity"] = 6
    first.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="fidelity is 6"):
        read_answers([first], built[2])
    first.write_text("{")
    with pytest.raises(UsageError, match="is no file of answers"):
        read_answers([first], built[2])


def test_careless_raters_are_left_out_with_the_reason(responses: Responses) -> None:
    checks = screen(responses, 1.0)
    assert [check.kept for check in checks] == [True] * 8 + [False] * 2
    assert all("clips' own sounds" in "; ".join(check.reasons) for check in checks[8:])
    assert all(high - low > 2 for check in checks[:8] for high, low in check.anchors.values())
    assert all(check.simulated for check in checks)


def test_a_rater_who_answered_little_is_left_out(built: Built, tmp_path: Path) -> None:
    content = SimulatedRater(1).answers(built[2])
    content["answers"] = content["answers"][:5]
    (tmp_path / "one.json").write_text(json.dumps(content))
    checks = screen(read_answers([tmp_path / "one.json"], built[2]), 1.0)
    assert checks[0].reasons[0] == f"answered 5 of {content['trials']} trials"


def test_nobody_left_is_told(built: Built, tmp_path: Path) -> None:
    key = built[2]
    found = read_answers(saved([SimulatedRater(9, careless=True)], key, tmp_path), key)
    with pytest.raises(RunFailure, match="all 1 raters are left out \\(simulated-9"):
        analyse_answers(found, key, [], 4.5, 200, 0)


def test_opinion_scores_are_means_and_their_intervals_cover_raters_and_clips() -> None:
    random = np.random.default_rng(0)
    truth, raters, clips = 3.0, random.normal(0, 0.5, (12, 1, 1)), random.normal(0, 0.5, (1, 1, 12))
    ratings = truth + raters + clips + random.normal(0, 0.3, (12, 2, 12))
    ratings[0, 0, 0] = np.nan
    found = made_up(ratings)
    draws = draw(found, 2000, 0)
    scores = {one.name: one for one in opinions(found, draws)}
    assert scores["a"].estimate.value == pytest.approx(np.nanmean(ratings[:, 0]))
    assert (scores["a"].answers, scores["b"].answers) == (143, 144)
    # The variance of the mean is that of a rater by 12 and that of a clip by 12; treating answers as independent,
    # one would have an interval a third as wide.
    half = (scores["b"].estimate.high - scores["b"].estimate.low) / 2
    assert half == pytest.approx(1.96 * np.sqrt((raters.var() + clips.var()) / 12), rel=0.25)


def test_replicates_are_weighted_means() -> None:
    ratings = np.array([[[1, 2, np.nan]], [[4, 5, 3]]], float)
    found = made_up(ratings)
    draws = draw(found, 50, 1)
    replicates = opinion_replicates(found, "fidelity", draws)[:, 0]
    for value, raters, clips in zip(replicates, draws.raters, draws.clips, strict=True):
        rows = np.repeat([0, 1], raters.astype(int))
        columns = np.repeat([0, 1, 2], clips.astype(int))
        drawn = ratings[rows][:, 0][:, columns]
        expected = drawn[np.isfinite(drawn)].mean() if np.isfinite(drawn).any() else np.nan
        assert value == pytest.approx(expected, nan_ok=True)


def test_preferences_have_exact_intervals() -> None:
    choices = tuple(Choice(place % 4, place % 5, *(("a", "b") if place < 16 else ("b", "a"))) for place in range(20))
    found = made_up(np.full((4, 2, 5), 3.0), choices)
    (one,) = preferences(found, draw(found, 500, 0))
    assert (one.first, one.second, one.wins, one.answers) == ("a", "b", 16, 20)
    # Clopper and Pearson by quantiles of the beta distribution.
    assert one.exact.low == pytest.approx(stats.beta.ppf(0.025, 16, 5))
    assert one.exact.high == pytest.approx(stats.beta.ppf(0.975, 17, 4))
    assert one.p_value == pytest.approx(2 * stats.binom.sf(15, 20, 0.5))
    assert one.resampled.low < 0.8 < one.resampled.high


def test_alpha_of_agreement_of_chance_and_by_hand() -> None:
    sounds = np.random.default_rng(0).integers(1, 6, (1, 3, 10))
    assert agreements(made_up(np.repeat(sounds, 5, 0)), 50, 0)[0].alpha.value == pytest.approx(1.0)
    noise = agreements(made_up(np.random.default_rng(1).integers(1, 6, (6, 3, 40))), 200, 0)[0]
    assert noise.alpha.low < 0 < noise.alpha.high
    assert noise.units == 120
    # Krippendorff's example of nominal data in the same form: two raters, ten units, 0 or 1; alpha = 0.095.
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    answers = [
        Choice(rater, clip, *("ab" if value else "ba"))
        for rater, row in enumerate((first, second))
        for clip, value in enumerate(row)
    ]
    preference = agreements(made_up(np.full((2, 2, 10), 3.0), tuple(answers)), 50, 0)[1]
    assert preference.question == "preference"
    assert preference.alpha.value == pytest.approx(0.095, abs=5e-4)


def test_alpha_without_variation_is_not_defined() -> None:
    assert np.isnan(agreements(made_up(np.full((3, 2, 4), 3.0)), 50, 0)[0].alpha.value)


def test_rank_correlations_are_scipys() -> None:
    random = np.random.default_rng(2)
    first, second = random.integers(0, 5, (6, 9)).astype(float), random.standard_normal((6, 9))
    for row in range(6):
        assert spearman(first, second)[row] == pytest.approx(stats.spearmanr(first[row], second[row]).statistic)
        assert kendall(first, second)[row] == pytest.approx(stats.kendalltau(first[row], second[row]).statistic)
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def card(metric: str) -> MetricCard:
    return MetricCard(metric, "", "Cnn14", "", "", "miniature", 16_000, "mean", "soxr", "all", 4, 4, "")


def score_file(name: str, clips: tuple[str, ...], fd: float, cs: float) -> ScoreFile:
    """FD with narrow resamples, CLIP-score with a value for each clip."""
    random = torch.Generator().manual_seed(int(fd))
    per_clip = cs + torch.arange(len(clips), dtype=torch.float64) / 100
    scores = {
        "fd": Score(fd, list(clips), fd + 0.1 * torch.randn(60, generator=random, dtype=torch.float64)),
        "cs": Score(float(per_clip.mean()), list(clips), per_clip.mean().repeat(60), per_clip),
    }
    return ScoreFile(name, Scores(scores), {metric: card(metric) for metric in scores}, 60, 0)


def test_metrics_are_held_against_people(responses: Responses) -> None:
    careful = responses.only(range(8))
    values = {"quartz": (10.0, 12.0), "basalt": (20.0, 4.0), "pumice": (30.0, 8.0)}
    files = [score_file(name, careful.clips, *pair) for name, pair in values.items()]
    found = {(one.metric, one.question, one.level): one for one in correlate(careful, files, draw(careful, 300, 0), 0)}
    agreeing, mixed = found["fd", "fidelity", "systems"], found["cs", "fidelity", "systems"]
    # FD is better when lower: all three systems are in people's order. CLIP-score swaps two.
    assert (agreeing.spearman.value, agreeing.kendall.value) == pytest.approx((1.0, 1.0))
    assert agreeing.p_value == pytest.approx(2 / 6)
    assert (mixed.spearman.value, mixed.kendall.value) == pytest.approx((0.5, 1 / 3))
    assert found["fd", "preference", "systems"].spearman.value == pytest.approx(1.0)
    over_sounds = found["cs", "relevance", "sounds"]
    assert over_sounds.count == 12
    assert over_sounds.spearman.low <= over_sounds.spearman.value <= over_sounds.spearman.high
    assert ("fd", "relevance", "sounds") not in found


def test_scores_of_a_stranger_are_refused(responses: Responses) -> None:
    files = [score_file("granite", responses.clips, 1.0, 1.0)]
    with pytest.raises(UsageError, match="'granite', and the test has quartz, basalt, pumice"):
        correlate(responses, files, draw(responses, 100, 0), 0)
    twice = [score_file("quartz", responses.clips, 1.0, 1.0)] * 2
    with pytest.raises(UsageError, match="two files of system 'quartz'"):
        correlate(responses, twice, draw(responses, 100, 0), 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda answers: answers[0].update(fidelity=True), "fidelity is True, not one of 1 to 5"),
        (lambda answers: answers.append(answers[0]), "is rated twice"),
        (lambda answers: answers[0].update(kind="guess"), "neither the rating of a sound nor the choice of one of two"),
        (lambda answers: answers[-1].update(chosen="nothing"), "'nothing' is none of a pair of sounds"),
        (lambda answers: answers[-1].update(sounds=answers[-1]["sounds"][:1]), "is none of a pair of sounds"),
        (lambda answers: answers[0].update(sounds=["unheard of"]), "there is no sound 'unheard of'"),
        (lambda answers: answers[0].update(sounds=[]), "its sounds are not those of one clip"),
    ],
)
def test_answers_that_answer_no_question(
    built: tuple[Path, Path, Key], tmp_path: Path, change: Callable[[list[dict[str, Any]]], object], told: str
) -> None:
    key = built[2]
    content = SimulatedRater(1).answers(key)
    change(content["answers"])
    path = tmp_path / "rater.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=f"rater.json: an answer does not fit the test .*{told}"):
        read_answers([path], key)
