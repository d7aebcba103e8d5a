"""scores.json: numbers with their cards, per-clip values and resamples, so that systems can be compared afterwards."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write, refuse_unsafe_id
from v2a_lightning.metrics.cards import MetricCard
from v2a_lightning.metrics.catalogue import CATALOGUE
from v2a_lightning.metrics.scoring import Score, Scores

FORMAT = 1


@dataclass(frozen=True)
class ScoreFile:
    """What one evaluation found.

    Args:
        name: of the system.
        scores: the numbers, and why others are missing.
        cards: one for every number.
        resamples: bootstrap resamples taken.
        seed: of the resamples.
        notes: lines on unpaired and faulty files.
        sources: the folders by their roles.
        left_out: clip id -> why the clip is in no number.
    """

    name: str
    scores: Scores
    cards: dict[str, MetricCard]
    resamples: int
    seed: int
    notes: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """ "miniature" when any of its extractors is the shipped small world's."""
        return next((card.label for card in self.cards.values() if card.label), "")

    def write(self, path: Path) -> None:
        """Write as JSON."""
        content = {
            "format": FORMAT,
            "name": self.name,
            "label": self.label,
            "sources": self.sources,
            "notes": self.notes,
            **({"left_out": self.left_out} if self.left_out else {}),
            "resamples": self.resamples,
            "seed": self.seed,
            "missing": self.scores.missing,
            "metrics": {name: self._metric(name) for name in self.scores.found},
        }
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")

    def _metric(self, name: str) -> dict[str, Any]:
        score = self.scores.found[name]
        interval = score.interval(CATALOGUE[name].floor)
        return {
            "value": score.value,
            "interval": interval and list(interval),
            "card": self.cards[name].to_dict(),
            "clip_ids": score.clip_ids,
            "per_clip": None if score.per_clip is None else score.per_clip.tolist(),
            "replicates": score.replicates.tolist(),
        }


def read_score_file(path: Path) -> ScoreFile:
    """Read what `ScoreFile.write` wrote.

    Raises:
        UsageError: when the file is missing or no such file.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    try:
        content = json.loads(path.read_text())
        if content["format"] != FORMAT:
            raise UsageError(f"{path}: has format {content['format']}, this version reads {FORMAT}; evaluate again")
        metrics = {name: metric for name, metric in content["metrics"].items() if name in CATALOGUE}
        return ScoreFile(
            name=content["name"],
            scores=Scores({name: _score(metric) for name, metric in metrics.items()}, content["missing"]),
            cards={name: MetricCard.from_dict(metric["card"]) for name, metric in metrics.items()},
            resamples=content["resamples"],
            seed=content["seed"],
            notes=content["notes"],
            sources=content["sources"],
            left_out=content.get("left_out", {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: is no file that `evaluate` wrote ({type(error).__name__}: {error})") from error


def _score(metric: dict[str, Any]) -> Score:
    per_clip = None if metric["per_clip"] is None else torch.tensor(metric["per_clip"], dtype=torch.float64)
    replicates = torch.tensor(metric["replicates"], dtype=torch.float64)
    for clip_id in metric["clip_ids"] or []:
        refuse_unsafe_id(clip_id)
    return Score(metric["value"], metric["clip_ids"], replicates, per_clip)
