"""All that raters' answers say, computed in one go."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from v2a_lightning.errors import RunFailure
from v2a_lightning.evaluation.score_files import ScoreFile
from v2a_lightning.listening.answers import Responses
from v2a_lightning.listening.correlation import Correlation, correlate
from v2a_lightning.listening.key import Key
from v2a_lightning.listening.opinion import Opinion, Preference, draw, opinions, preferences
from v2a_lightning.listening.reliability import Agreement, agreements
from v2a_lightning.listening.screening import RaterCheck, screen

FORMAT = 1


@dataclass(frozen=True)
class Analysis:
    """What a listening test found.

    Args:
        checks: one for every rater, kept or not.
        correlations: of metrics with people; empty without score files.
        label: "miniature" when the score files' extractors are the small world's, else "".
        margin: points between anchors that kept a rater.
    """

    key: Key
    checks: list[RaterCheck]
    opinions: list[Opinion]
    preferences: list[Preference]
    agreements: list[Agreement]
    correlations: list[Correlation]
    label: str
    margin: float
    resamples: int
    seed: int

    @property
    def kept(self) -> list[RaterCheck]:
        """Raters whose answers count."""
        return [check for check in self.checks if check.kept]

    @property
    def simulated(self) -> int:
        """How many of the kept raters were programs."""
        return sum(check.simulated for check in self.kept)

    def warnings(self) -> list[str]:
        """What a reader of any of these numbers has to know first."""
        lines = []
        if self.simulated:
            lines.append(
                f"SIMULATED: {self.simulated} of {len(self.kept)} raters were programs; this says nothing of people"
            )
        if self.label:
            lines.append(f"{self.label}: metrics are those of the small world's extractors")
        if not any(sound.role != "system" for sound in self.key.sounds.values()):
            lines.append("the test has no hidden anchors: raters were screened only by how much they answered")
        if len(self.kept) < 2:
            lines.append("one rater only: intervals are over clips alone, and agreement is not defined")
        return lines

    @property
    def results(self) -> dict[str, Sequence[Opinion | Preference | Agreement | Correlation]]:
        """What was found, by the names of tables."""
        return {
            "mos": self.opinions,
            "preferences": self.preferences,
            "agreement": self.agreements,
            "correlations": self.correlations,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not defined is null."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "test": self.key.test,
            "title": self.key.title,
            "systems": self.key.systems,
            "warnings": self.warnings(),
            "margin": self.margin,
            "resamples": self.resamples,
            "seed": self.seed,
            "raters": [asdict(check) | {"kept": check.kept} for check in self.checks],
        }
        for name, found in self.results.items():
            content[name] = [asdict(one, dict_factory=_without_points) for one in found]
        plain: dict[str, Any] = json.loads(json.dumps(content), parse_constant=lambda _: None)
        return plain


def analyse_answers(
    responses: Responses, key: Key, files: Sequence[ScoreFile], margin: float, resamples: int, seed: int
) -> Analysis:
    """Screen the raters with `margin` points between anchors, then compute everything from those who are kept.

    Raises:
        RunFailure: when no rater is left.
    """
    checks = screen(responses, margin)
    kept = [place for place, check in enumerate(checks) if check.kept]
    if not kept:
        first = f"{checks[0].rater}: {'; '.join(checks[0].reasons)}"
        raise RunFailure(f"all {len(checks)} raters are left out ({first}); nothing can be said of the systems")
    counted = responses.only(kept)
    draws = draw(counted, resamples, seed)
    return Analysis(
        key,
        checks,
        opinions(counted, draws),
        preferences(counted, draws),
        agreements(counted, resamples, seed),
        correlate(counted, files, draws, seed) if files else [],
        next((file.label for file in files if file.label), ""),
        margin,
        resamples,
        seed,
    )


def _without_points(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in items if name != "points"}
