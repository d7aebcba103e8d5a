"""A run's `report.html`: frames, true and generated sounds, scores, curves, and how they were measured."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.cards import SHOWN
from v2a_lightning.media import MediaError, read_frames, read_waveform, resample
from v2a_lightning.reports.charts import Series, line_chart, scatter_charts
from v2a_lightning.reports.measures import measure, sound_measures
from v2a_lightning.reports.pages import players, render, strip_uris, write_page
from v2a_lightning.reports.run_files import is_miniature, latest_evaluation, read_metrics
from v2a_lightning.reports.tables import number
from v2a_lightning.runs import CHECKPOINTS, CLIPS_FILE, CONFIG_FILE, METRICS_FILE, epoch_of
from v2a_lightning.specs import FrameSpec

REPORT_FILE = "report.html"
# The score by which a checkpoint becomes best.ckpt; it stands first in the page's head.
CHOOSES = "embedding_fd"
EMBEDDING_MEASURES = (CHOOSES, "cosine", "recall@1", "loss")
Cards = Mapping[str, Mapping[str, Any]]
# What a chart shows beside a score.
BESIDE = {"cosine": "cosine_unrelated"}


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
    page = render(
        "run.html",
        experiment=run.parent.name,
        run=run.name,
        miniature=is_miniature(evaluation),
        evaluation=evaluation,
        row=_row(run, series, cards),
        groups=[
            ("Sound", _charts(series, sound_measures(cards), cards)),
            ("Embeddings and loss", _charts(series, EMBEDDING_MEASURES, cards)),
        ],
        clips=[_clip(run, clip, evaluation) for clip in shown_clips(evaluation.get("clips", []), clips)],
        gaps=_gaps(run),
        used=json.loads((run / CLIPS_FILE).read_text()) if (run / CLIPS_FILE).is_file() else {},
        cards=card_table(cards),
        number=number,
        config=(run / CONFIG_FILE).read_text() if (run / CONFIG_FILE).is_file() else "",
    )
    return write_page(run / REPORT_FILE, page)


@dataclass(frozen=True)
class CardTable:
    """Metric cards in one table: what they share once, and for each metric what only it has."""

    shared: list[tuple[str, str]]
    columns: list[str]
    rows: list[tuple[str, list[str]]]


def card_table(cards: Cards) -> CardTable:
    """Lay out the cards of one evaluation, keyed by metric."""
    keys = [key for key in next(iter(cards.values()), {}) if key not in SHOWN | {"metric"}]
    values = {key: [_text(card[key]) for card in cards.values()] for key in keys}
    differing = [key for key in keys if len(set(values[key])) > 1]
    shared = [(key.replace("_", " "), values[key][0]) for key in keys if key not in differing and values[key][0]]
    rows = [(name, [values[key][index] for key in differing]) for index, name in enumerate(cards)]
    return CardTable(shared, [key.replace("_", " ") for key in differing], rows)


def shown_clips(clips: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """`count` of the clips: the first of every label before the second of any."""
    by_label: dict[str, list[Mapping[str, Any]]] = {}
    for clip in clips:
        by_label.setdefault(clip["label"], []).append(clip)
    turns = itertools.zip_longest(*by_label.values())
    return [clip for turn in turns for clip in turn if clip is not None][:count]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    # A sha256 is recognised by its beginning; the whole one is in evaluation.json.
    text = str(value)
    return f"{text[:10]}…" if len(text) == 64 and " " not in text else text


def _gaps(run: Path) -> list[tuple[dict[str, Any], Markup]]:
    """The first and the last record of the domain gap, with their pictures at one scale."""
    written = [json.loads(path.read_text()) for path in sorted(run.glob("domain_gap/epoch_*.json"))]
    chosen = [written[0], written[-1]] if len(written) > 1 else written
    return list(zip(chosen, scatter_charts([one["points"] for one in chosen]), strict=True))


def _row(run: Path, series: Mapping[str, Series], cards: Cards) -> dict[str, Any]:
    """One checkpoint's scores: those of `best.ckpt`, or of the last one where there is none; a test's own otherwise."""
    sound = sound_measures(cards)
    for stage in ("val", "test"):
        shown = {name: series[f"{stage}/{name}"].points for name in (CHOOSES, *sound) if f"{stage}/{name}" in series}
        if epochs := sorted({epoch for name, points in shown.items() if name in sound for epoch, _ in points}):
            break
    else:
        return {"of": "", "tiles": []}
    files = ((name, run / CHECKPOINTS / f"{name}.ckpt") for name in ("best", "last"))
    named = next(((name, epoch_of(file)) for name, file in files if file.is_file()), ("", None))
    # A checkpoint of an epoch without an evaluation was scored by the evaluation before it.
    before = [one for one in epochs if named[1] is not None and one <= named[1]]
    whose, epoch = (f"{named[0]}.ckpt", before[-1]) if before else ("the last evaluation", epochs[-1])
    floors = {name: dict(series[f"{stage}/{name}_floor"].points) for name in shown if f"{stage}/{name}_floor" in series}
    return {
        "of": f"{whose}, epoch {epoch:g}" if stage == "val" else "the test clips",
        "tiles": [
            {
                "measure": measure(name, cards),
                "value": dict(points)[epoch],
                "first": points[0][1] if points[0][0] < epoch else None,
                "floor": floors.get(name, {}).get(epoch),
                "chooses": name == CHOOSES,
            }
            for name, points in shown.items()
            if epoch in dict(points)
        ],
    }


def _charts(series: Mapping[str, Series], names: Sequence[str], cards: Cards) -> list[dict[str, Any]]:
    charts = []
    for name in names:
        one, lines = measure(name, cards), [f"val/{name}", f"val/{BESIDE.get(name)}"]
        if shown := [series[line] for line in lines if line in series]:
            charts.append({"measure": one, "lines": shown, "svg": line_chart(shown, one.better)})
    return charts


def _clip(run: Path, clip: Mapping[str, Any], evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of a clip. A source that has gone since is named on the page."""
    rate, seconds = int(evaluation["sample_rate"]), float(evaluation["seconds"])
    frames: list[str] = []
    truth, missing = np.zeros(0, np.float32), ""
    try:
        frames = strip_uris(read_frames(Path(clip["source"]), FrameSpec(6 / seconds, seconds)))
        if evaluation["has_audio"]:
            waveform, native = read_waveform(Path(clip["source"]))
            truth = resample(waveform[: round(seconds * native)], native, rate)
    except MediaError as error:
        missing = str(error)
    made = resample(*read_waveform(run / clip["wave"]), rate)
    true_sound, generated = players({"True sound": truth, "Generated sound": made}, rate)
    return {
        "clip_id": clip["clip_id"],
        "label": clip.get("label") or "",
        "seconds": f"{seconds:g}",
        "hertz": f"{rate / 2000:g}",
        "frames": frames,
        "missing": missing,
        "sounds": [*([true_sound] if len(truth) else []), generated],
    }
