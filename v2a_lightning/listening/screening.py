"""Which raters' answers count, judged by hidden anchors alone: never by what they think of the systems."""

from dataclasses import dataclass

import numpy as np

from v2a_lightning.listening.answers import Responses

# Less than this share of the trials answered is no test taken.
LEAST_ANSWERED = 0.5


@dataclass(frozen=True)
class RaterCheck:
    """What was found out about one rater.

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


def screen(responses: Responses, margin: float) -> list[RaterCheck]:
    """Check every rater.

    A rater is left out who answered less than half of the trials; whose mean rating of high anchors is not at least
    `margin` points above that of low anchors on every scale; or who preferred the low anchor in more than half of the
    pairs of anchors. Where a test has low anchors only, these may not be rated above the systems' sounds on average.

    Args:
        responses: all answers.
        margin: points on the scale.
    """
    return [_check(responses, rater, margin) for rater in range(len(responses.raters))]


def _check(responses: Responses, rater: int, margin: float) -> RaterCheck:
    anchors = {
        scale: (_mean(responses, rater, scale, "high"), _mean(responses, rater, scale, "low"))
        for scale in responses.ratings
    }
    reasons = []
    if responses.answered[rater] < LEAST_ANSWERED * responses.trials[rater]:
        reasons.append(f"answered {responses.answered[rater]} of {responses.trials[rater]} trials")
    for scale, (high, low) in anchors.items():
        if np.isfinite(high) and np.isfinite(low) and high - low < margin:
            reasons.append(f"{scale}: clips' own sounds {high:.2f}, spoilt ones {low:.2f}")
        if "high anchor" not in responses.names and low > (systems := _systems_mean(responses, rater, scale)):
            reasons.append(f"{scale}: spoilt sounds {low:.2f}, systems {systems:.2f}")
    right, pairs = _anchor_pairs(responses, rater)
    if pairs and 2 * right < pairs:
        reasons.append(f"preferred the spoilt sound in {pairs - right} of {pairs} pairs of anchors")
    return RaterCheck(
        responses.raters[rater],
        responses.simulated[rater],
        responses.answered[rater],
        responses.trials[rater],
        anchors,
        (right, pairs),
        tuple(reasons),
    )


def _mean(responses: Responses, rater: int, scale: str, anchor: str) -> float:
    if f"{anchor} anchor" not in responses.names:
        return float("nan")
    return _mean_of(responses.of(f"{anchor} anchor", scale)[rater])


def _systems_mean(responses: Responses, rater: int, scale: str) -> float:
    systems = [place for place, name in enumerate(responses.names) if not name.endswith(" anchor")]
    return _mean_of(responses.ratings[scale][rater, systems])


def _mean_of(ratings: np.ndarray) -> float:
    given = ratings[np.isfinite(ratings)]
    return float(given.mean()) if len(given) else float("nan")


def _anchor_pairs(responses: Responses, rater: int) -> tuple[int, int]:
    chosen = [
        c.chosen for c in responses.choices if c.rater == rater and {c.chosen, c.other} == {"high anchor", "low anchor"}
    ]
    return chosen.count("high anchor"), len(chosen)
