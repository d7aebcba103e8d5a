"""Scores as tables of a page: by class, with the worst first, and the cards behind them."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from v2a_lightning.evaluation.cards import SHOWN
from v2a_lightning.evaluation.metric import Number
from v2a_lightning.evaluation.score_files import ScoreFile
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.tables import Cell, Table, number

Cards = Mapping[str, Mapping[str, Any]]
# Metric -> clip id -> the clip's own value.
ClipScores = Mapping[str, Mapping[str, float]]


def cards_of(file: ScoreFile) -> dict[str, dict[str, Any]]:
    """A file's cards as plain values."""
    return {name: card.to_dict() for name, card in file.cards.items()}


def clip_scores(file: ScoreFile) -> dict[str, dict[str, float]]:
    """The file's headline scores that are means of a value of each clip."""
    return {
        name: dict(zip(score.clip_ids, score.per_clip.tolist(), strict=True))
        for name, score in file.scores.found.items()
        if score.per_clip is not None and measure(name, cards_of(file)).headline
    }


def worst_first(values: Mapping[str, float], one: Number) -> list[str]:
    """What has a value, the worst first."""
    return sorted(values, key=lambda name: values[name], reverse=one.better == "lower")


def class_tables(scores: ClipScores, labels: Mapping[str, str], cards: Cards) -> list[Table]:
    """The means of each class, the worst of the first score first; none where classes are as many as clips."""
    clips = [clip_id for clip_id in labels if any(clip_id in values for values in scores.values())]
    by_class: dict[str, list[str]] = {}
    for clip_id in clips:
        by_class.setdefault(labels[clip_id], []).append(clip_id)
    if not 1 < len(by_class) < len(clips):
        return []
    means = {
        name: {
            label: fmean(values[one] for one in members if one in values)
            for label, members in by_class.items()
            if any(one in values for one in members)
        }
        for name, values in scores.items()
    }
    first = next(iter(means))
    order = worst_first(means[first], measure(first, cards))
    rows: list[dict[str, Cell]] = [
        {"class": label, "clips": str(len(by_class[label]))}
        | {measure(name, cards).heading: _cell(values.get(label)) for name, values in means.items()}
        for label in [*order, *(label for label in by_class if label not in order)]
    ]
    return [Table.of("classes", f"Scores by class, the worst {measure(first, cards).title} first", rows)]


def card_tables(cards: Cards) -> list[Table]:
    """The cards of one evaluation, keyed by metric: what only some have, and what all share."""
    keys = [key for key in next(iter(cards.values()), {}) if key not in SHOWN | {"metric"}]
    values = {key: [_text(card[key]) for card in cards.values()] for key in keys}
    differing = [key for key in keys if len(set(values[key])) > 1]
    shared = [(key.replace("_", " "), values[key][0]) for key in keys if key not in differing and values[key][0]]
    rows = [[name, *(values[key][index] for key in differing)] for index, name in enumerate(cards)]
    columns = ["metric", *(key.replace("_", " ") for key in differing)]
    own = Table("cards", "Metric cards", columns, rows)
    common = Table("shared", "What the cards of all metrics share", ["what", "value"], shared)
    return [table for table in (own, common) if table.rows]


def settings_rows(settings: Mapping[str, Any], place: str = "") -> Sequence[tuple[str, str]]:
    """Keys, inner ones with dots, and their values."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        inner = isinstance(value, Mapping)
        rows += settings_rows(value, f"{place}{key}.") if inner else [(f"{place}{key}".replace("_", " "), _text(value))]
    return rows


def _cell(value: float | None) -> Cell:
    return None if value is None else number(value)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    # A sha256 is recognised by its beginning; the whole one is in the file of scores.
    text = str(value)
    return f"{text[:10]}…" if len(text) == 64 and " " not in text else text
