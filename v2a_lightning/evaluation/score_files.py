"""Numbers, their resamples, and scores.json, which holds them with their cards so that systems can be compared."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import torch
from torch import Tensor

from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.cards import SHOWN, MetricCard
from v2a_lightning.files import refuse_unsafe_id
from v2a_lightning.json_files import check, one_line, read_json, write_json

FORMAT = 1
WHAT = "file that `evaluate` wrote"
METRIC_FORM = {"value": float, "card": dict, "clip_ids": [str], "per_clip": ([float], None), "replicates": [float]}
FORM = {
    "name": str,
    "sources": {str: str},
    "notes": [str],
    "resamples": int,
    "seed": int,
    "missing": {str: str},
    "metrics": {str: METRIC_FORM},
}
# Of clips and metrics, where there are any.
OPTIONAL = {"left_out": {str: str}, "floors": {str: float}, "labels": {str: str}}
# A card's fields are checked by their declared types; how sounds were generated is whatever their maker wrote.
CARD_FORM = {name: get_origin(kind) or kind for name, kind in get_type_hints(MetricCard).items() if name not in SHOWN}
SHOWN_FORM = {"title": str, "better": str, "floor": (float, None), "headline": bool}


@dataclass(frozen=True)
class Score:
    """One number.

    Args:
        value: over all its clips.
        clip_ids: the clips in it.
        replicates: (B,) its values over B resamples of the clips; empty where none were taken.
        per_clip: (clips,) values whose mean it is, where it is a mean.
    """

    value: float
    clip_ids: list[str]
    replicates: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.float64))
    per_clip: Tensor | None = None

    @property
    def finite(self) -> bool:
        """Whether value and resamples are."""
        return math.isfinite(self.value) and bool(self.replicates.isfinite().all())

    def interval(self, floor: float | None = None, coverage: float = 0.95) -> tuple[float, float] | None:
        """Bootstrap interval around the value, None without resamples.

        Quantiles are moved to lie around the value, since resampling moves some scores (KAD, IS) throughout.
        """
        if not len(self.replicates):
            return None
        tail = (1 - coverage) / 2
        quantiles = torch.quantile(self.replicates, torch.tensor([tail, 1 - tail], dtype=torch.float64))
        low, high = (quantiles - self.replicates.mean() + self.value).tolist()
        return (low, high) if floor is None else (max(floor, low), high)


@dataclass(frozen=True)
class Scores:
    """Numbers by their names, and for other names why there is none."""

    found: dict[str, Score] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def resample_counts(clips: int, resamples: int, seed: int) -> Tensor:
    """How often each clip is drawn in each resample: (resamples, clips) doubles, the same for every system."""
    random = torch.Generator().manual_seed(seed)
    drawn = torch.randint(clips, (resamples, clips), generator=random)
    counts = torch.zeros(resamples, clips, dtype=torch.float64)
    return counts.scatter_add_(1, drawn, torch.ones_like(counts))


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
        floors: metric -> its value between two halves of the clips' own sounds.
        labels: clip id -> what the data says it sounds like.
    """

    name: str
    scores: Scores
    cards: dict[str, MetricCard]
    resamples: int
    seed: int
    notes: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

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
            **{name: table for name in OPTIONAL if (table := getattr(self, name))},
            "resamples": self.resamples,
            "seed": self.seed,
            "missing": self.scores.missing,
            "metrics": {name: self._metric(name) for name in self.scores.found},
        }
        write_json(path, content)

    def _metric(self, name: str) -> dict[str, Any]:
        score = self.scores.found[name]
        interval = score.interval(self.cards[name].floor)
        return {
            "value": score.value,
            "interval": interval and list(interval),
            "card": self.cards[name].to_dict(),
            "clip_ids": score.clip_ids,
            "per_clip": None if score.per_clip is None else score.per_clip.tolist(),
            "replicates": score.replicates.tolist(),
        }


def read_score_file(path: Path) -> ScoreFile:
    """Read what `ScoreFile.write` wrote; UsageError names the first place in the file that does not fit."""
    content = read_json(path, {"format": int}, WHAT)
    if content["format"] != FORMAT:
        raise UsageError(f"{path}: has format {content['format']}, this version reads {FORMAT}; evaluate again")
    try:
        check(content, FORM)
        optional = {name: content.get(name, {}) for name in OPTIONAL}
        check(optional, OPTIONAL)
        metrics = content["metrics"]
        return ScoreFile(
            name=content["name"],
            scores=Scores({name: _score(name, content) for name in metrics}, content["missing"]),
            cards={name: _card(name, metric["card"]) for name, metric in metrics.items()},
            resamples=content["resamples"],
            seed=content["seed"],
            notes=content["notes"],
            sources=content["sources"],
            **optional,
        )
    except (ValueError, UsageError) as error:
        raise UsageError(f"{path}: is no {WHAT} ({one_line(error)})") from error


def _score(name: str, content: dict[str, Any]) -> Score:
    """One metric's numbers, which have to fit one another; its clip ids are plain file names."""
    metric = content["metrics"][name]
    clip_ids, per_clip, replicates = metric["clip_ids"], metric["per_clip"], metric["replicates"]
    for clip_id in clip_ids:
        refuse_unsafe_id(clip_id)
    if per_clip is not None and len(per_clip) != len(clip_ids):
        raise ValueError(f"metrics.{name} has {len(per_clip)} values of {len(clip_ids)} clips")
    if len(replicates) not in (0, content["resamples"]):
        raise ValueError(f"metrics.{name} has {len(replicates)} replicates where {content['resamples']} were drawn")
    values = None if per_clip is None else torch.tensor(per_clip, dtype=torch.float64)
    return Score(float(metric["value"]), clip_ids, torch.tensor(replicates, dtype=torch.float64), values)


def _card(name: str, values: dict[str, Any]) -> MetricCard:
    card = MetricCard.from_dict(values)
    shown = {field: kind for field, kind in SHOWN_FORM.items() if field in values}
    check(values, CARD_FORM | shown, f"metrics.{name}.card")
    return card
