"""A run's `report.html`: what was seen, what was heard, what was made of it, and how the scores moved."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.media import MediaError, read_frames, read_wave, resample
from v2a_lightning.reports.curves import Better, Series, line_chart, number, read_metrics
from v2a_lightning.reports.pictures import Wave, sound_uri, spectrogram_pair, strip_uris
from v2a_lightning.reports.scatter import Bounds, scatter_chart
from v2a_lightning.runs import CHECKPOINTS, CLIPS_FILE, CONFIG_FILE, EVALUATION_FILE, METRICS_FILE, epoch_of
from v2a_lightning.specs import FrameSpec

REPORT_FILE = "report.html"


@dataclass(frozen=True)
class Measure:
    """A metric as the page names it."""

    name: str
    title: str
    better: Better | None
    meaning: str
    beside: str = ""


SOUND_MEASURES = (
    Measure(
        "fd",
        "FD",
        "lower",
        "Fréchet distance of tagger features: how far the generated sounds are from true ones as a set",
    ),
    Measure("fad", "FAD", "lower", "Fréchet distance of VGGish features"),
    Measure("kl", "KL", "lower", "divergence of the tagger's classes, clip by clip"),
    Measure("is", "IS", "higher", "Inception score: sure of each sound, varied over all"),
    Measure("cs", "CLIP-score", "higher", "cosine of picture and generated sound, times 100"),
)
EMBEDDING_MEASURES = (
    Measure("embedding_fd", "Embedding FD", "lower", "Fréchet distance of mapped and true CLAP embeddings"),
    Measure("cosine", "Cosine", "higher", "to the true embedding, and to an unrelated clip's", "cosine_unrelated"),
    Measure("recall@1", "Recall@1", "higher", "share of clips whose own sound is the nearest"),
    Measure("loss", "Validation loss", "lower", "of the objective"),
)


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
    page = _template().render(
        experiment=run.parent.name,
        run=run.name,
        miniature=any(card["label"] == "miniature" for card in evaluation.get("cards", {}).values()),
        evaluation=evaluation,
        row=_row(run, series),
        groups=[
            ("Sound", _charts(series, SOUND_MEASURES)),
            ("Embeddings and loss", _charts(series, EMBEDDING_MEASURES)),
        ],
        clips=[_clip(run, clip, evaluation) for clip in shown_clips(evaluation.get("clips", []), clips)],
        gaps=_gaps(run),
        used=json.loads((run / CLIPS_FILE).read_text()) if (run / CLIPS_FILE).is_file() else {},
        cards=card_table(evaluation.get("cards", {})),
        config=(run / CONFIG_FILE).read_text() if (run / CONFIG_FILE).is_file() else "",
    )
    with atomic_write(run / REPORT_FILE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return run / REPORT_FILE


def latest_evaluation(run: Path) -> dict[str, Any]:
    """What the newest evaluation of sound wrote down; empty when there was none."""
    found = [json.loads(path.read_text()) for path in run.glob(f"audio/*/{EVALUATION_FILE}")]
    return max(found, key=lambda one: (one["step"], one["stage"]), default={})


@dataclass(frozen=True)
class CardTable:
    """Metric cards in one table: what they share once, and for each metric what only it has."""

    shared: list[tuple[str, str]]
    columns: list[str]
    rows: list[tuple[str, list[str]]]


def card_table(cards: Mapping[str, Mapping[str, Any]]) -> CardTable:
    """Lay out the cards of one evaluation, keyed by metric."""
    keys = [key for key in next(iter(cards.values()), {}) if key != "metric"]
    values = {key: [_text(card[key]) for card in cards.values()] for key in keys}
    differing = [key for key in keys if len(set(values[key])) > 1]
    shared = [(_words(key), values[key][0]) for key in keys if key not in differing and values[key][0]]
    rows = [(name, [values[key][index] for key in differing]) for index, name in enumerate(cards)]
    return CardTable(shared, [_words(key) for key in differing], rows)


def shown_clips(clips: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """`count` of the clips: the first of every label before the second of any."""
    seen: Counter[str] = Counter()
    turns = []
    for clip in clips:
        turns.append(seen[clip["label"]])
        seen[clip["label"]] += 1
    order = sorted(range(len(clips)), key=lambda index: (turns[index], index))
    return [clips[index] for index in order[:count]]


def _gaps(run: Path) -> list[dict[str, Any]]:
    """The first and the last picture of the domain gap, at one scale."""
    written = [json.loads(path.read_text()) for path in sorted(run.glob("domain_gap/epoch_*.json"))]
    chosen = [written[0], written[-1]] if len(written) > 1 else written
    if not chosen:
        return []
    bounds = Bounds.around([one["points"] for one in chosen])
    return [
        {
            "epoch": one["epoch"],
            "names": list(one["points"]),
            "svg": Markup(scatter_chart(one["points"], bounds)),
            "centroid": number(one["gap"]["centroid"]),
            "frechet": number(one["gap"]["frechet"]),
            "separability": f"{one['gap']['separability']:.0%}",
        }
        for one in chosen
    ]


def _words(key: str) -> str:
    return key.replace("_", " ")


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    # A sha256 is recognised by its beginning; the whole one is in evaluation.json.
    text = str(value)
    return f"{text[:10]}…" if len(text) == 64 and " " not in text else text


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined).get_template(
        "run.html"
    )


def _row(run: Path, series: Mapping[str, Series]) -> dict[str, Any]:
    """One checkpoint's scores: those of `best.ckpt`, or of the last one where there is none; a test's own otherwise."""
    for stage in ("val", "test"):
        shown = {one.name: series[f"{stage}/{one.name}"] for one in SOUND_MEASURES if f"{stage}/{one.name}" in series}
        if shown:
            break
    else:
        return {"of": "", "tiles": []}
    epochs = sorted({epoch for one in shown.values() for epoch, _ in one.points})
    files = ((name, run / CHECKPOINTS / f"{name}.ckpt") for name in ("best", "last"))
    named = next(((name, epoch_of(file)) for name, file in files if file.is_file()), ("", None))
    # A checkpoint of an epoch without an evaluation was scored by the evaluation before it.
    before = [one for one in epochs if named[1] is not None and one <= named[1]]
    whose, epoch = (f"{named[0]}.ckpt", before[-1]) if before else ("the last evaluation", epochs[-1])
    measures = [one for one in SOUND_MEASURES if one.name in shown and epoch in dict(shown[one.name].points)]
    return {
        "of": f"{whose}, epoch {epoch:g}" if stage == "val" else "the test clips",
        "tiles": [_tile(one, stage, epoch, series) for one in measures],
    }


def _tile(measure: Measure, stage: str, epoch: float, series: Mapping[str, Series]) -> dict[str, str]:
    points = series[f"{stage}/{measure.name}"].points
    floor = dict(series.get(f"{stage}/{measure.name}_floor", Series("", ())).points)
    return {
        "title": measure.title,
        "better": str(measure.better),
        "meaning": measure.meaning,
        "value": number(dict(points)[epoch]),
        "first": number(points[0][1]) if points[0][0] < epoch else "",
        "floor": number(floor[epoch]) if epoch in floor else "",
    }


def _charts(series: Mapping[str, Series], measures: Sequence[Measure]) -> list[dict[str, Any]]:
    charts = []
    for measure in measures:
        shown = [series[name] for name in (f"val/{measure.name}", f"val/{measure.beside}") if name in series]
        if shown:
            charts.append(
                {
                    "title": measure.title,
                    "meaning": measure.meaning,
                    "better": measure.better,
                    "names": [one.name for one in shown] if len(shown) > 1 else [],
                    "svg": Markup(line_chart(shown, measure.better)),
                }
            )
    return charts


def _clip(run: Path, clip: Mapping[str, Any], evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of a clip. A source that has gone since is told on the page, not passed over."""
    rate, seconds = int(evaluation["sample_rate"]), float(evaluation["seconds"])
    generated, generated_rate = read_wave(run / clip["wave"])
    generated = resample(generated, generated_rate, rate)
    shown: dict[str, Any] = {"clip_id": clip["clip_id"], "label": clip.get("label") or "", "seconds": f"{seconds:g}"}
    shown |= {
        "hertz": f"{rate / 2000:g}",
        "generated": sound_uri(generated, rate),
        "frames": [],
        "truth": "",
        "missing": "",
    }
    true_sound = np.zeros(0, np.float32)
    try:
        source = Path(clip["source"])
        shown["frames"] = strip_uris(read_frames(source, FrameSpec(6 / seconds, seconds)))
        if evaluation["has_audio"]:
            true_sound = _true_sound(source, rate, seconds)
            shown["truth"] = sound_uri(true_sound, rate)
    except MediaError as error:
        shown["missing"] = str(error)
    shown["truth_picture"], shown["generated_picture"] = spectrogram_pair(true_sound, generated, rate)
    return shown


def _true_sound(source: Path, rate: int, seconds: float) -> Wave:
    wave, native = read_wave(source)
    return resample(wave[: round(seconds * native)], native, rate)
