"""Which raters' answers count, judged by hidden anchors alone: never by what they think of the systems."""

from dataclasses import dataclass

import numpy as np

from v2a_lightning.listening.answers import Ratings, Responses
from v2a_lightning.reports.tables import Cell, Figure

# A rater with less than this share of the trials answered has not taken the test.
LEAST_ANSWERED = 0.5
NAN = float("nan")


@dataclass(frozen=True)
class RaterCheck:
    """The check of one rater.

    Args:
        rater: the code.
        simulated: whether it was a program.
        answered: trials answered.
        trials: trials there were.
        anchors: scale -> mean ratings of the high and of the low anchors; NaN where there were none.
        pairs: how often the high anchor was preferred to the low one, and out of how many.
        reasons: why the answers are left out; empty when they count.
    """

    rater: str
    simulated: bool
    answered: int
    trials: int
    anchors: dict[str, tuple[float, float]]
    pairs: tuple[int, int]
    reasons: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether the answers count."""
        return not self.reasons

    def row(self) -> dict[str, Cell]:
        """In a table, by heading."""
        return {
            "Rater": f"{self.rater}{' (simulated)' if self.simulated else ''}",
            "Answered": f"{self.answered} of {self.trials}",
            **{
                f"{scale.capitalize()}, own / spoilt": " / ".join(str(Figure(mean, ".2f")) for mean in means)
                for scale, means in self.anchors.items()
            },
            "Pairs right": f"{self.pairs[0]} of {self.pairs[1]}",
            "Answers": "counts" if self.kept else f"left out: {'; '.join(self.reasons)}",
        }


def screen(responses: Responses, margin: float) -> list[RaterCheck]:
    """Check every rater.

    A rater is left out who answered less than half of the trials; whose mean rating of high anchors is not at least
    `margin` points above that of low anchors on every scale; or who preferred the low anchor in more than half of the
    pairs of anchors. Where a test has low anchors only, these may not be rated above the systems' sounds on average.
    """
    return [_check(responses, rater, margin) for rater in range(len(responses.raters))]


def _check(responses: Responses, rater: int, margin: float) -> RaterCheck:
    answered, trials = responses.answered[rater], responses.trials[rater]
    reasons = [] if answered >= LEAST_ANSWERED * trials else [f"answered {answered} of {trials} trials"]
    anchors = {}
    for scale, ratings in responses.ratings.items():
        high, low = (_anchor_mean(responses, ratings[rater], anchor) for anchor in ("high anchor", "low anchor"))
        anchors[scale] = high, low
        if np.isfinite(high) and np.isfinite(low) and high - low < margin:
            reasons.append(f"{scale}: clips' own sounds {high:.2f}, spoilt ones {low:.2f}")
        systems = _mean(ratings[rater, [responses.names.index(name) for name in responses.systems]])
        if "high anchor" not in responses.names and low > systems:
            reasons.append(f"{scale}: spoilt sounds {low:.2f}, systems {systems:.2f}")
    both = {"high anchor", "low anchor"}
    chosen = [c.chosen for c in responses.choices if c.rater == rater and {c.chosen, c.other} == both]
    right, pairs = chosen.count("high anchor"), len(chosen)
    if pairs and 2 * right < pairs:
        reasons.append(f"preferred the spoilt sound in {pairs - right} of {pairs} pairs of anchors")
    code, simulated = responses.raters[rater], responses.simulated[rater]
    return RaterCheck(code, simulated, answered, trials, anchors, (right, pairs), tuple(reasons))


def _anchor_mean(responses: Responses, ratings: Ratings, anchor: str) -> float:
    return _mean(ratings[responses.names.index(anchor)]) if anchor in responses.names else NAN


def _mean(ratings: Ratings) -> float:
    given = ratings[np.isfinite(ratings)]
    return float(given.mean()) if len(given) else NAN
