"""Mean opinion scores and preferences, with intervals over both raters and clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.listening.answers import Choice, Responses
from v2a_lightning.reports.tables import Cell, Figure, Interval

COVERAGE = 0.95
ANCHOR_NAMES = {"high anchor": "own sound (high)", "low anchor": "spoilt sound (low)"}
Replicates = NDArray[np.float64]


@dataclass(frozen=True)
class Draws:
    """Resamples of the raters and of the clips, drawn independently (the two-way bootstrap).

    Args:
        raters: how often each rater is in each resample, (B, raters).
        clips: how often each clip is, (B, clips).
    """

    raters: Replicates
    clips: Replicates


@dataclass(frozen=True)
class Opinion:
    """Mean opinion score of one system or anchor on one scale; `answers` of ratings are in it."""

    name: str
    scale: str
    estimate: Interval
    answers: int

    @property
    def title(self) -> str:
        """The system's name, or what the anchor is."""
        return ANCHOR_NAMES.get(self.name, self.name)

    def row(self) -> dict[str, Cell]:
        """In a table, by heading."""
        return {"System": self.title, "Scale": self.scale, "MOS": self.estimate, "Answers": str(self.answers)}


@dataclass(frozen=True)
class Preference:
    """How often one system was preferred to another.

    Args:
        wins: answers that preferred the first.
        exact: share of wins with its exact binomial (Clopper-Pearson) interval, which takes answers as independent.
        resampled: the same with the interval over raters and clips.
        p_value: of no preference, exact binomial test, two-sided.
    """

    first: str
    second: str
    wins: int
    answers: int
    exact: Interval
    resampled: Interval
    p_value: float

    @property
    def title(self) -> str:
        """Which was preferred to which."""
        return f"{self.first} over {self.second}"

    def row(self) -> dict[str, Cell]:
        """In a table, by heading."""
        answers, p = f"{self.wins} of {self.answers}", Figure(self.p_value, ".4f")
        return {"Preferred": self.title, "Answers": answers, "Share": self.exact, "Resampled": self.resampled, "p": p}


def draw(responses: Responses, resamples: int, seed: int) -> Draws:
    """Draw raters and clips with replacement, `resamples` times."""
    random = np.random.default_rng(seed)
    counts = [
        random.multinomial(size, np.full(size, 1 / size), resamples).astype(np.float64)
        for size in (len(responses.raters), len(responses.clips))
    ]
    return Draws(counts[0], counts[1])


def estimate(value: float, replicates: Replicates) -> Interval:
    """A number with the percentile interval of its resamples (B,); a resample without an answer is left out."""
    finite = replicates[np.isfinite(replicates)]
    if len(finite) < 2:
        return Interval(value)
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def opinion_replicates(responses: Responses, scale: str, draws: Draws) -> Replicates:
    """Mean opinion scores (B, names) of resamples: an answer counts as often as its rater times its clip."""
    ratings = responses.ratings[scale]
    given = np.isfinite(ratings)
    total = np.einsum("br,rnc,bc->bn", draws.raters, np.where(given, ratings, 0.0), draws.clips, optimize=True)
    count = np.einsum("br,rnc,bc->bn", draws.raters, given.astype(np.float64), draws.clips, optimize=True)
    return np.asarray(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))


def opinions(responses: Responses, draws: Draws) -> list[Opinion]:
    """Mean opinion scores of every system and anchor on every scale, best systems first, anchors last."""
    found = []
    for scale in responses.ratings:
        replicates = opinion_replicates(responses, scale, draws)
        for place, name in enumerate(responses.names):
            ratings = responses.ratings[scale][:, place]
            given = ratings[np.isfinite(ratings)]
            mean = float(given.mean()) if len(given) else float("nan")
            found.append(Opinion(name, scale, estimate(mean, replicates[:, place]), len(given)))
    return sorted(found, key=lambda one: (one.name.endswith(" anchor"), one.scale, -one.estimate.value))


def preferences(responses: Responses, draws: Draws) -> list[Preference]:
    """Every pair of systems that was asked about, the preferred one first."""
    from scipy.stats import binomtest

    found = []
    for pair in combinations(responses.systems, 2):
        answers = _between(responses.choices, pair)
        if not answers:
            continue
        wins = {name: sum(answer.chosen == name for answer in answers) for name in pair}
        first, second = sorted(pair, key=lambda name: -wins[name])
        test = binomtest(wins[first], len(answers), 0.5)
        exact = test.proportion_ci(COVERAGE, "exact")
        share = wins[first] / len(answers)
        found.append(
            Preference(
                first,
                second,
                wins[first],
                len(answers),
                Interval(share, float(exact.low), float(exact.high)),
                estimate(share, _shares(answers, first, draws)),
                float(test.pvalue),
            )
        )
    return found


def preference_replicates(responses: Responses, systems: Sequence[str], draws: Draws) -> tuple[Replicates, Replicates]:
    """How often each system is preferred, averaged over those it met: (systems,), and of resamples (B, systems)."""
    values, replicates = [], []
    for name in systems:
        met = [(other, _between(responses.choices, (name, other))) for other in systems if other != name]
        met = [(other, answers) for other, answers in met if answers]
        shares = [np.mean([answer.chosen == name for answer in answers]) for _, answers in met]
        values.append(float(np.mean(shares)) if shares else np.nan)
        drawn = [_shares(answers, name, draws) for _, answers in met]
        replicates.append(np.mean(drawn, axis=0) if drawn else np.full(len(draws.raters), np.nan))
    return np.array(values), np.stack(replicates, axis=1)


def _between(choices: Sequence[Choice], pair: tuple[str, str]) -> list[Choice]:
    return [choice for choice in choices if {choice.chosen, choice.other} == set(pair)]


def _shares(answers: Sequence[Choice], name: str, draws: Draws) -> Replicates:
    weights = draws.raters[:, [a.rater for a in answers]] * draws.clips[:, [a.clip for a in answers]]
    wins = weights @ np.array([answer.chosen == name for answer in answers], np.float64)
    total = weights.sum(1)
    return np.divide(wins, total, out=np.full_like(total, np.nan), where=total > 0)
