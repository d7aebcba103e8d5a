"""Whether metrics rank systems and clips as people do."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.catalogue import in_order
from v2a_lightning.evaluation.compare import check_comparable, number_of
from v2a_lightning.evaluation.score_files import ScoreFile
from v2a_lightning.listening.answers import Responses
from v2a_lightning.listening.opinion import Draws, Replicates, estimate, opinion_replicates, preference_replicates
from v2a_lightning.reports.tables import Cell, Figure, Interval

# Fewer systems have no ranking to speak of, fewer sounds no correlation worth printing.
LEAST_SYSTEMS, LEAST_SOUNDS = 3, 6
# Up to this many systems every order is tried for the exact p-value.
MOST_PERMUTED = 7

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """How a metric's ranking goes with people's; positive is agreement, whichever way the metric is better.

    Args:
        question: "fidelity", "relevance" or "preference".
        count: how many systems or sounds.
        spearman: Spearman's rho.
        kendall: Kendall's tau-b.
        p_value: of no correlation, by all orders of the systems (of Spearman's rho, two-sided); NaN over sounds.
        title: of the metric, as tables head it.
    """

    metric: str
    question: str
    level: Literal["systems", "sounds"]
    count: int
    spearman: Interval
    kendall: Interval
    p_value: float
    title: str = ""

    def row(self) -> dict[str, Cell]:
        """In a table, by heading."""
        return {
            "Metric": self.title,
            "Question": self.question,
            "Over": f"{self.count} {self.level}",
            "Spearman": self.spearman,
            "Kendall": self.kendall,
            "p": Figure(self.p_value, ".3f"),
        }


@dataclass(frozen=True)
class _People:
    """Raters' values of each system: (systems,), and of resamples (B, systems)."""

    question: str
    values: Values
    replicates: Replicates


def spearman(first: Values, second: Values) -> Values:
    """Spearman's rho along the last axis; NaN where either does not vary."""
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=-1) for values in np.broadcast_arrays(first, second)]
    centred = [rank - rank.mean(-1, keepdims=True) for rank in ranks]
    return _ratio((centred[0] * centred[1]).sum(-1), (centred[0] ** 2).sum(-1) * (centred[1] ** 2).sum(-1))


def kendall(first: Values, second: Values) -> Values:
    """Kendall's tau-b along the last axis; NaN where either does not vary."""
    left, right = np.triu_indices(first.shape[-1], 1)
    signs = [np.sign(values[..., left] - values[..., right]) for values in np.broadcast_arrays(first, second)]
    return _ratio((signs[0] * signs[1]).sum(-1), (signs[0] ** 2).sum(-1) * (signs[1] ** 2).sum(-1))


def correlate(responses: Responses, files: Sequence[ScoreFile], draws: Draws, seed: int) -> list[Correlation]:
    """The rank correlations of every metric in the score files with every question.

    Over systems, resamples draw raters and clips for people's side, and take the metric's own resamples of its clips
    for the other: the interval is what these systems would give with other raters and clips, not what others would.
    Over sounds, for metrics that have a value for each clip, clips are resampled with all their sounds.

    Raises:
        UsageError: when a file is of no system in the test, or two are of one, or their cards differ.
    """
    scored = _by_system(files, responses)
    check_comparable(list(scored.values()))
    systems = [name for name in responses.names if name in scored]
    people = _people(responses, systems, draws)
    found: list[Correlation] = []
    titles: dict[str, str] = {}
    for metric in in_order(name for file in scored.values() for name in file.scores.found):
        if not all(metric in scored[name].scores.found for name in systems):
            continue
        number = number_of(metric, files)
        sign = -1.0 if number.better == "lower" else 1.0
        if len(systems) >= LEAST_SYSTEMS:
            values, replicates = _metric(metric, [scored[name] for name in systems], len(draws.raters), seed)
            found += [_over_systems(metric, one, sign * values, sign * replicates) for one in people]
        for question in responses.ratings:
            over_sounds = _over_sounds(metric, sign, question, responses, scored, draws)
            found += [over_sounds] if over_sounds is not None else []
        titles[metric] = number.title
    return [replace(one, title=titles[one.metric]) for one in found]


def _by_system(files: Sequence[ScoreFile], responses: Responses) -> dict[str, ScoreFile]:
    scored: dict[str, ScoreFile] = {}
    for file in files:
        if file.name not in responses.systems:
            known = ", ".join(responses.systems)
            raise UsageError(f"--scores are of {file.name!r}, and the test has {known}; evaluate with --name SYSTEM")
        if file.name in scored:
            raise UsageError(f"--scores has two files of system {file.name!r}; give one")
        scored[file.name] = file
    return scored


def _people(responses: Responses, systems: Sequence[str], draws: Draws) -> list[_People]:
    places = [responses.names.index(name) for name in systems]
    people = []
    for scale, ratings in responses.ratings.items():
        means = np.array([np.nanmean(ratings[:, place]) for place in places])
        people.append(_People(scale, means, opinion_replicates(responses, scale, draws)[:, places]))
    if responses.choices and len(systems) > 1:
        people.append(_People("preference", *preference_replicates(responses, systems, draws)))
    return people


def _metric(metric: str, files: Sequence[ScoreFile], resamples: int, seed: int) -> tuple[Values, Replicates]:
    """A metric's values (systems,) and resamples (B, systems), which share their clips among systems.

    As in a score's own interval, resamples are moved to have the value as their mean.
    """
    scores = [file.scores.found[metric] for file in files]
    values = np.array([score.value for score in scores])
    taken = min(len(score.replicates) for score in scores)
    if not taken:
        return values, np.broadcast_to(values, (resamples, len(values)))
    own = np.stack([score.replicates[:taken].numpy() for score in scores], axis=1)
    chosen = np.random.default_rng(seed + 1).integers(taken, size=resamples)
    return values, (own - own.mean(0) + values)[chosen]


def _over_systems(metric: str, people: _People, values: Values, replicates: Replicates) -> Correlation:
    rho = float(spearman(people.values, values))
    return Correlation(
        metric,
        people.question,
        "systems",
        len(values),
        estimate(rho, spearman(people.replicates, replicates)),
        estimate(float(kendall(people.values, values)), kendall(people.replicates, replicates)),
        _exact_p_value(people.values, values, rho),
    )


def _exact_p_value(first: Values, second: Values, found: float) -> float:
    if not np.isfinite(found) or len(first) > MOST_PERMUTED:
        return float("nan")
    orders = np.array(list(itertools.permutations(second)))
    return float(np.mean(np.abs(spearman(first, orders)) >= abs(found) - 1e-12))


def _over_sounds(
    metric: str,
    sign: float,
    question: str,
    responses: Responses,
    scored: dict[str, ScoreFile],
    draws: Draws,
) -> Correlation | None:
    measured = np.full((len(scored), len(responses.clips)), np.nan)
    rated = np.full_like(measured, np.nan)
    for row, (name, file) in enumerate(scored.items()):
        score = file.scores.found[metric]
        if score.per_clip is None:
            return None
        by_clip = dict(zip(score.clip_ids, score.per_clip.tolist(), strict=True))
        measured[row] = [sign * by_clip.get(clip, np.nan) for clip in responses.clips]
        ratings = responses.of(name, question)
        given = np.isfinite(ratings).sum(0)
        rated[row] = np.divide(np.nansum(ratings, 0), given, out=np.full(len(given), np.nan), where=given > 0)
    both = np.isfinite(measured) & np.isfinite(rated)
    if both.sum() < LEAST_SOUNDS:
        return None
    resampled = [_drawn_sounds(measured, rated, both, counts) for counts in draws.clips]
    return Correlation(
        metric,
        question,
        "sounds",
        int(both.sum()),
        estimate(float(spearman(rated[both], measured[both])), np.array([spearman(*sounds) for sounds in resampled])),
        estimate(float(kendall(rated[both], measured[both])), np.array([kendall(*sounds) for sounds in resampled])),
        float("nan"),
    )


def _drawn_sounds(measured: Values, rated: Values, both: NDArray[np.bool_], counts: Values) -> tuple[Values, Values]:
    """The sounds of the drawn clips, as often as each was drawn."""
    clips = np.repeat(np.arange(len(counts)), counts.astype(int))
    mask = both[:, clips]
    return rated[:, clips][mask], measured[:, clips][mask]


def _ratio(covariance: Values, variances: Values) -> Values:
    """Covariance by the root of the product of variances; NaN where that is zero."""
    covariance, variances = np.asarray(covariance), np.asarray(variances)
    out = np.full(covariance.shape, np.nan)
    return np.asarray(np.divide(covariance, np.sqrt(variances), out=out, where=variances > 0))
