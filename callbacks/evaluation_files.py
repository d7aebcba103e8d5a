"""What is written beside the sounds of an evaluation, so that anybody can compute its numbers again from the files."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import LightningModule

from v2a_lightning import __version__
from v2a_lightning.callbacks.clip_selection import MappedClip
from v2a_lightning.callbacks.sounds import Sounds
from v2a_lightning.evaluation.frames import FrameSampling
from v2a_lightning.evaluation.reading import ClipFiles
from v2a_lightning.evaluation.score_files import ScoreFile
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.files import atomic_write
from v2a_lightning.generation import describe_generator, describe_mapper
from v2a_lightning.generators import Generator
from v2a_lightning.json_files import write_json
from v2a_lightning.module import V2AMapper
from v2a_lightning.ranks import gather_lists, rank_and_count
from v2a_lightning.runs import EVALUATION_FILE, SCORES_FILE
from v2a_lightning.specs import FrameSpec

OPTIONS_FILE = "evaluate.yaml"
SOURCES = ("generated", "reference", "media")


def describe_generation(generator: Generator, mapper: LightningModule, seed: int, seconds: float) -> dict[str, Any]:
    """How the sounds of an evaluation are generated, for their folder and the metric cards."""
    return {
        "made_by": f"v2a_lightning {__version__}, evaluation of a run",
        "seed": seed,
        "seconds": seconds,
        **describe_generator(generator),
        **(describe_mapper(mapper) if isinstance(mapper, V2AMapper) else {}),
    }


def frame_sampling(data: Any) -> FrameSampling | None:
    """Which frames a data module's clips are seen by; None when it does not say."""
    encoders = getattr(data, "encoders", None)
    spec = encoders.spec() if encoders is not None else getattr(data, "spec", None)
    if spec is None:
        return None
    frames = FrameSpec.from_key(spec.towers[0].spec)
    return FrameSampling(frames.frames_per_second, frames.duration)


def clip_files(data: Any, clip: MappedClip, written: Path, suite: EvaluationSuite) -> ClipFiles:
    """What a clip's sound, in the file `written`, is compared with.

    Frames that the data has embedded by the clip-score's own CLIP are not decoded and embedded again; a finished store
    without videos has no others.
    """
    video, sampling = data.source(clip.clip_id), frame_sampling(data)
    encoders = getattr(data, "encoders", None)
    spec = getattr(data, "spec", None) if encoders is None else encoders.spec()
    is_known = spec is not None and len(spec.by_encoder) == 1 and spec.towers[0].fingerprint == suite.clip.fingerprint
    return ClipFiles(
        clip.clip_id,
        written,
        reference=video if data.has_audio else None,
        video=video,
        text=clip.label or None,
        sampling=sampling if is_known or encoders is not None else None,
        embeddings=clip.frames if is_known else None,
    )


def write_evaluation(
    sounds: Sounds,
    run: Path,
    suite: EvaluationSuite,
    data: Any,
    generation: Mapping[str, Any],
    failures: Sequence[Mapping[str, str]],
    order: Sequence[str],
    summary: Mapping[str, Any],
) -> None:
    """Write the record of the sounds, scores, options and summary. Every process has to call it; the first one writes.

    Args:
        sounds: this process's, scored by `suite` and generated as `generation` says.
        run: the run's folder.
        failures: of all processes.
        order: of the clip ids.
        summary: what `evaluation.json` says besides clips, cards and failures.
    """
    records = gather_lists(sounds.records(run, data))
    records.sort(key=lambda record: order.index(record["clip_id"]))
    scored = sorted(gather_lists([(clip.clip_id, clip.label, clip.cosine) for clip in sounds.clips]))
    if rank_and_count()[0] != 0:
        return
    assert sounds.record is not None
    sounds.record.sounds = {record["clip_id"]: {"seed": record["seed"]} for record in records}
    sounds.record.left_out = {failure["clip_id"]: {"reason": failure["reason"]} for failure in failures}
    sounds.record.finish()
    cards = suite.cards(generation)
    options = _options(sounds.folder, suite, data, [record["clip_id"] for record in records]) if records else {}
    ScoreFile(
        name=f"{run.name} {sounds.folder.name}",
        scores=suite.scores(),
        cards=cards,
        # A training has no time to draw any.
        resamples=0,
        seed=0,
        notes=suite.faults(),
        sources={role: options[role] for role in SOURCES if role in options},
        floors=suite.floors(),
        labels={clip_id: label for clip_id, label, _ in scored if label},
    ).write(sounds.folder / SCORES_FILE)
    if records:
        _write_options(sounds.folder / OPTIONS_FILE, options)
    cosines = {clip_id: round(cosine, 6) for clip_id, _, cosine in scored if cosine is not None}
    content = {**summary, "cards": {name: card.to_dict() for name, card in cards.items()}, "cosines": cosines}
    write_json(sounds.folder / EVALUATION_FILE, {**content, "clips": records, "failures": list(failures)})


def _options(folder: Path, suite: EvaluationSuite, data: Any, clip_ids: Sequence[str]) -> dict[str, Any]:
    """The options with which the `evaluate` command computes the same numbers from the same files."""
    # Class folders have a folder in common, from which their pictures are found.
    media = os.path.commonpath([os.path.abspath(data.source(clip_id).parent) for clip_id in clip_ids])
    options: dict[str, Any] = {"generated": os.path.abspath(folder), "media": media}
    if data.has_audio:
        options["reference"] = media
    options |= suite.options
    if (sampling := frame_sampling(data)) is not None:
        options["frames_per_second"] = sampling.frames_per_second
    if "clap" in options and hasattr(data, "csv"):
        options["csv"] = os.path.abspath(data.csv)
    return options


def _write_options(path: Path, options: Mapping[str, Any]) -> None:
    with atomic_write(path) as temporary:
        head = f"# python -m v2a_lightning evaluate --config {OPTIONS_FILE}\n"
        temporary.write_text(head + yaml.safe_dump(dict(options), sort_keys=False))
