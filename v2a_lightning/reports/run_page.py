"""A run's `report.html`: frames, true and generated sounds, scores, curves, and how they were measured."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.score_files import read_score_file
from v2a_lightning.reports.charts import Series, line_chart, scatter_charts
from v2a_lightning.reports.clips import clip_item
from v2a_lightning.reports.measures import measure, sound_measures
from v2a_lightning.reports.pages import BADGES, FLOOR, REPORT_FILE, TRUE_SOUND, Item, Tile, render, write_page
from v2a_lightning.reports.run_files import is_miniature, latest_evaluation, read_metrics
from v2a_lightning.reports.score_tables import Cards, card_tables, class_tables, clip_scores
from v2a_lightning.reports.tables import Cell, Table, number
from v2a_lightning.runs import CHECKPOINTS, CLIPS_FILE, CONFIG_FILE, METRICS_FILE, SCORES_FILE, epoch_of

# The score by which a checkpoint becomes best.ckpt; it stands first in the page's head.
CHOOSES = "embedding_fd"
EMBEDDING_MEASURES = (CHOOSES, "cosine", "recall@1", "loss")
# What a chart shows beside a score.
BESIDE = {"cosine": "cosine_unrelated"}


@dataclass(frozen=True)
class Row:
    """The scores of one epoch, and what there is of that epoch."""

    title: str
    epoch: float
    scores: Mapping[str, float]


def write_report(run: Path, clips: int = 12) -> Path:
    """Write `report.html` into a run's folder from what the run wrote there.

    Args:
        run: the run's folder.
        clips: how many clips are shown.

    Returns:
        The page's path.

    Raises:
        UsageError: when the folder holds no metrics.
    """
    if not (run / METRICS_FILE).is_file():
        raise UsageError(f"{run} is not a run's folder: it has no {METRICS_FILE}")
    series = read_metrics(run / METRICS_FILE)
    evaluation = latest_evaluation(run)
    cards = evaluation.get("cards", {})
    sound = sound_measures(cards)
    stage = "val" if any(f"val/{name}" in series for name in sound) else "test"
    floors = _floors(stage, series)
    rows = _rows(run, stage, series, evaluation, [CHOOSES, *sound, "cosine", "recall@1"])
    page = render(
        "run.html",
        title=f"{run.parent.name} · {run.name}",
        experiment=run.parent.name,
        run=run.name,
        badge=BADGES["miniature"] if is_miniature(evaluation) else "",
        evaluation=evaluation,
        **_head(rows, stage, series, floors, sound, cards),
        tables=_checkpoint_table(rows, floors, cards),
        classes=_class_tables(evaluation, cards),
        groups=[
            ("Sound", _charts(series, sound, cards)),
            ("Embeddings and loss", _charts(series, EMBEDDING_MEASURES, cards)),
        ],
        clips=[_clip(run, clip, evaluation) for clip in shown_clips(evaluation.get("clips", []), clips)],
        gaps=_gaps(run),
        used=json.loads((run / CLIPS_FILE).read_text()) if (run / CLIPS_FILE).is_file() else {},
        details=card_tables(cards),
        number=number,
        config=(run / CONFIG_FILE).read_text() if (run / CONFIG_FILE).is_file() else "",
    )
    return write_page(run / REPORT_FILE, page)


def shown_clips(clips: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """`count` of the clips: the first of every label before the second of any."""
    by_label: dict[str, list[Mapping[str, Any]]] = {}
    for clip in clips:
        by_label.setdefault(clip["label"], []).append(clip)
    turns = itertools.zip_longest(*by_label.values())
    return [clip for turn in turns for clip in turn if clip is not None][:count]


def _gaps(run: Path) -> list[tuple[dict[str, Any], Markup]]:
    """The first and the last record of the domain gap, with their pictures at one scale."""
    written = [json.loads(path.read_text()) for path in sorted(run.glob("domain_gap/epoch_*.json"))]
    chosen = [written[0], written[-1]] if len(written) > 1 else written
    return list(zip(chosen, scatter_charts([one["points"] for one in chosen]), strict=True))


def _rows(
    run: Path, stage: str, series: Mapping[str, Series], evaluation: Mapping[str, Any], names: Sequence[str]
) -> list[Row]:
    """A row for each epoch that is best.ckpt, last.ckpt or that of the sounds shown, with the scores of that epoch."""
    found = {name: dict(series[f"{stage}/{name}"].points) for name in names if f"{stage}/{name}" in series}
    files = [path for name in ("best", "last") if (path := run / CHECKPOINTS / f"{name}.ckpt").is_file()]
    named = [*((path.name, epoch_of(path)) for path in files), ("the sounds shown", evaluation.get("epoch"))]
    epochs: dict[float, list[str]] = {}
    for title, epoch in named if stage == "val" else ():
        if epoch is not None:
            epochs.setdefault(epoch, []).append(title)
    if found and not epochs:
        last = max(epoch for points in found.values() for epoch in points)
        epochs[last] = ["the last epoch" if stage == "val" else "the test clips"]
    rows = [
        Row(" and ".join(titles), epoch, {name: points[epoch] for name, points in found.items() if epoch in points})
        for epoch, titles in epochs.items()
    ]
    return [row for row in rows if row.scores]


def _floors(stage: str, series: Mapping[str, Series]) -> dict[str, float]:
    """The floors of a stage's scores, which are the same in every epoch."""
    names = [name for name in series if name.startswith(f"{stage}/") and name.endswith("_floor")]
    return {name.removeprefix(f"{stage}/").removesuffix("_floor"): series[name].points[-1][1] for name in names}


def _head(
    rows: Sequence[Row],
    stage: str,
    series: Mapping[str, Series],
    floors: Mapping[str, float],
    sound: Sequence[str],
    cards: Cards,
) -> dict[str, Any]:
    """The scores of the first row that has any of sound, in large figures, and whose they are."""
    row = next((row for row in rows if row.scores.keys() & set(sound)), None)
    if row is None:
        return {"of": "", "tiles": []}
    tiles = []
    for name in [name for name in (CHOOSES, *sound) if name in row.scores]:
        first, value = series[f"{stage}/{name}"].points[0]
        beside = [f"from {number(value)}"] if first < row.epoch else []
        beside += [f"floor {number(floors[name])}"] if name in floors else []
        note = "chooses best.ckpt" if name == CHOOSES else ""
        tiles.append(Tile(measure(name, cards), row.scores[name], ", ".join(beside), note))
    return {"of": row.title if stage == "test" else f"{row.title}, epoch {row.epoch:g}", "tiles": tiles}


def _checkpoint_table(rows: Sequence[Row], floors: Mapping[str, float], cards: Cards) -> list[Table]:
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    cells: list[dict[str, Cell]] = [
        {"": row.title, "epoch": f"{row.epoch:g}"} | _cells(row.scores, names, cards) for row in rows
    ]
    if cells and floors:
        cells.append({"": "floor", "epoch": None} | _cells(floors, names, cards))
    return [Table.of("checkpoints", f"One epoch a row.{f' {FLOOR}' if floors else ''}", cells)] if cells else []


def _cells(scores: Mapping[str, float], names: Sequence[str], cards: Cards) -> dict[str, Cell]:
    return {measure(name, cards).heading: number(scores[name]) if name in scores else None for name in names}


def _class_tables(evaluation: Mapping[str, Any], cards: Cards) -> list[Table]:
    """Of the evaluation whose sounds are shown."""
    path = evaluation.get("folder", Path()) / SCORES_FILE
    if not path.is_file():
        return []
    file = read_score_file(path)
    # An earlier version wrote no labels there.
    labels = file.labels or {clip["clip_id"]: clip["label"] for clip in evaluation["clips"] if clip["label"]}
    cosines = {"cosine": evaluation["cosines"]} if evaluation.get("cosines") else {}
    return class_tables(clip_scores(file) | cosines, labels, cards)


def _charts(series: Mapping[str, Series], names: Sequence[str], cards: Cards) -> list[dict[str, Any]]:
    charts = []
    for name in names:
        one, lines = measure(name, cards), [f"val/{name}", f"val/{BESIDE.get(name)}"]
        if shown := [series[line] for line in lines if line in series]:
            charts.append({"measure": one, "lines": shown, "svg": line_chart(shown, one.better)})
    return charts


def _clip(run: Path, clip: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Item:
    """What the page shows of a clip. A source that has gone since is named on the page."""
    source, label = Path(clip["source"]), clip.get("label") or ""
    sounds = {TRUE_SOUND: source} if evaluation["has_audio"] else {}
    sounds |= {"Generated sound": run / clip["wave"]}
    title, code = label or clip["clip_id"], clip["clip_id"] if label else ""
    return clip_item(title, sounds, source, code, seconds=float(evaluation["seconds"]))
