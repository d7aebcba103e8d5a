"""What is kept of each clip once its features are extracted, and how the processes of a run share it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from torch import Tensor

from v2a_lightning.evaluation.features import SHORTEST_SECONDS, Waveform
from v2a_lightning.evaluation.folders import first_few
from v2a_lightning.evaluation.metric import AudioMetric, ClipMetric, SetMetric
from v2a_lightning.evaluation.score_files import Score, Scores, resample_counts
from v2a_lightning.media import is_silent
from v2a_lightning.progress import progress
from v2a_lightning.ranks import gather_lists

Fault = Literal["silent", "clipped", "short", "not_finite"]

CLIPPED_LEVEL = 0.999
CLIPPED_SHARE = 1e-3
MISSING_SHARE = 0.05
SILENCE_WARNING_SHARE = 0.01
# Fewer clips' sounds on a side say nothing of how far two sets of true sounds are apart.
FLOOR_CLIPS = 16


@dataclass(frozen=True)
class ClipRecord:
    """One clip.

    Args:
        clip_id: the clip.
        features: input ("generated", "reference") -> "extractor/feature" -> what metrics of sets take; nothing of a
            sound with values that are not finite.
        values: metric -> the clip's own value.
        inputs: what the clip came with.
        frames: which frames of it were looked at, for cards.
        faults: of the generated sound.
        reference_faults: of the clip's own sound.
    """

    clip_id: str
    features: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    inputs: frozenset[str] = frozenset()
    frames: str = ""
    faults: frozenset[Fault] = frozenset()
    reference_faults: frozenset[Fault] = frozenset()


def gather_records(records: Iterable[ClipRecord]) -> list[ClipRecord]:
    """The records of all processes in the order of the clip ids, whatever the shards; a clip counts once."""
    by_clip = {record.clip_id: record for record in reversed(gather_lists(list(records)))}
    return [by_clip[clip_id] for clip_id in sorted(by_clip)]


def score_records(
    metrics: Sequence[AudioMetric], records: Sequence[ClipRecord], resamples: int = 0, seed: int = 0
) -> Scores:
    """Every metric that the records allow, with bootstrap resamples of the clips, and why others cannot be computed."""
    found: dict[str, Score] = {}
    missing: dict[str, str] = {}
    with progress("scores and intervals" if resamples else "scores", len(metrics)) as advance:
        for metric in metrics:
            scores, reason = _scored(metric, records, resamples, seed)
            found |= scores
            missing |= {name: reason for name in metric.numbers() if name not in scores}
            advance(1)
    return Scores(found, missing)


def _scored(
    metric: AudioMetric, records: Sequence[ClipRecord], resamples: int, seed: int
) -> tuple[dict[str, Score], str]:
    """A metric's numbers, and why those that are missing cannot be computed."""
    clips = clips_of(metric, records)
    if reason := _why_missing(metric, records, len(clips)):
        return {}, reason
    try:
        scores = _results(metric, clips, resamples, seed)
    except ValueError as error:
        # Several cuts of one video may have one and the same sound.
        return {}, str(error)
    # Files of scores have no NaN, and nothing can be compared with one.
    return {name: score for name, score in scores.items() if score.finite}, "its value is not finite"


def floors_of(metrics: Sequence[AudioMetric], records: Sequence[ClipRecord]) -> dict[str, float]:
    """Each distance of sets between one half of the clips' own sounds and the other, by the metric's name.

    Halves are every other clip in the order of ids. Each has half as many clips as the metric's number has, so that
    this floor is higher than that number's own. None of fewer than `FLOOR_CLIPS` a half.
    """
    found = {}
    for metric in metrics:
        if not isinstance(metric, SetMetric) or metric.needs.keys() != {"generated", "reference"}:
            continue
        if metric.better != "lower" or len(metric.numbers()) != 1:
            continue
        own = [record.features["reference"][metric.needs["reference"]] for record in clips_of(metric, records)]
        sounds, half = [one.double().reshape(-1, one.shape[-1]) for one in own], len(own) // 2
        if half < max(FLOOR_CLIPS, metric.minimum):
            continue
        try:
            value = float(metric.value(generated=sounds[::2][:half], reference=sounds[1::2][:half]))
        except ValueError:
            # Sounds that are equal to one another have no distance here, as in `score_records`.
            continue
        found |= {metric.name: value} if math.isfinite(value) else {}
    return found


def clips_of(metric: AudioMetric, records: Iterable[ClipRecord]) -> list[ClipRecord]:
    """The clips that take part in a metric."""
    if isinstance(metric, ClipMetric):
        return [record for record in records if metric.name in record.values]
    return [
        record
        for record in records
        if all(feature in record.features.get(given, {}) for given, feature in metric.needs.items())
    ]


def _why_missing(metric: AudioMetric, records: Iterable[ClipRecord], clips: int) -> str:
    """Why a metric cannot be computed of this many clips; "" when it can."""
    if clips >= metric.minimum:
        return ""
    present = frozenset[str]().union(*(record.inputs for record in records))
    words = {"frames": "frames", "text": "a text", "video": "its video"}
    for given in (*metric.needs, *(["video"] if any(one.needs_video for one in metric.extractors.values()) else [])):
        if given in words and given not in present:
            return f"no clip came with {words[given]}"
    what = "pairs" if "reference" in metric.needs else "sounds"
    return f"needs at least {metric.minimum} {what}; there {'is' if clips == 1 else 'are'} {clips}"


def _results(metric: AudioMetric, clips: Sequence[ClipRecord], resamples: int, seed: int) -> dict[str, Score]:
    """A metric's numbers of these clips: of their features, or of the values that each has by itself."""
    metric.reset()
    if isinstance(metric, ClipMetric):
        metric.add([clip.values[metric.name] for clip in clips])
    else:
        columns = {given: [clip.features[given][name] for clip in clips] for given, name in metric.needs.items()}
        metric.update(**columns)
    weights = resample_counts(len(clips), resamples, seed)
    found = metric.results([clip.clip_id for clip in clips], weights)
    metric.reset()
    return found


def find_faults(waveform: Waveform, rate: int, expected_seconds: float | None = None) -> frozenset[Fault]:
    """What is wrong with a sound (N,) in [-1, 1] at `rate` Hz.

    "silent" (`media.is_silent`), "clipped" (a thousandth of the samples at full scale), "short" (more than a twentieth
    of `expected_seconds` is missing), or "not_finite" alone.
    """
    if not np.isfinite(waveform).all():
        return frozenset({"not_finite"})
    faults: set[Fault] = set()
    if is_silent(waveform):
        faults.add("silent")
    if len(waveform) and (np.abs(waveform) >= CLIPPED_LEVEL).mean() > CLIPPED_SHARE:
        faults.add("clipped")
    if len(waveform) / rate < (expected_seconds or SHORTEST_SECONDS) * (1 - MISSING_SHARE):
        faults.add("short")
    return frozenset(faults)


def fault_lines(records: list[ClipRecord]) -> list[str]:
    """One line for each kind of fault found, with the clips' share and the first of them."""
    lines = []
    for side, attribute in (("generated", "faults"), ("reference", "reference_faults")):
        found = {fault for record in records for fault in getattr(record, attribute)}
        for fault in sorted(found):
            clips = [record.clip_id for record in records if fault in getattr(record, attribute)]
            share = len(clips) / len(records)
            mark = "WARNING: " if fault == "silent" and share > SILENCE_WARNING_SHARE else ""
            words = fault.replace("_", " ")
            lines.append(
                f"{mark}{len(clips)} of {len(records)} {side} sounds are {words} ({share:.1%}): {first_few(clips)}"
            )
    return lines


def fault_share(records: list[ClipRecord], fault: Fault) -> float:
    """Share of the generated sounds that have a fault."""
    return sum(fault in record.faults for record in records) / max(1, len(records))
