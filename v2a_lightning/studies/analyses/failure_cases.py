"""Where a mapper fails: by class, by subgroup, and a page of the worst clips with their sounds."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.mapper import AverageFrames
from v2a_lightning.media import MediaError, read_frames
from v2a_lightning.randomness import clip_seed
from v2a_lightning.reports.charts import draw_intervals, new_panels
from v2a_lightning.reports.pages import Item, Section, players, strip_uris, write_sounds_page
from v2a_lightning.reports.tables import Cell, Table
from v2a_lightning.specs import FrameSpec
from v2a_lightning.studies.analyses.subgroups import (
    ALIKE,
    STYLE,
    SUBGROUPS,
    Attributes,
    ClipScores,
    class_means,
    like_another,
    nearest_classes,
    read_attributes,
    subgroups_of,
)
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.run import Attachment, Finding, StudyRuns
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.trained_runs import TrainedRun, cached_json, copy_into, open_run

WITH_SOUND, TINY_WITH_SOUND = 96, 4
"""Clips of each split that are made into sound, in the order in which the data gives them."""
WORST = 12
WORST_FILE = "worst.html"
SCORES = {"cosine": "Cosine of embeddings ↑", "kl": "KL ↓", "cs": "CS ↑"}


@dataclass(frozen=True)
class Classes:
    """The training clips' classes: the direction (D,) of each one's sound, and which are alike."""

    targets: Mapping[str, Tensor]
    looks_alike: Collection[str]
    sounds_alike: Collection[str]


def find_failures(study_runs: StudyRuns) -> list[Finding]:
    """Tables by subgroup and by class over all clips of all seeds, and the first seed's worst clips on a page."""
    trainings = study_runs.trainings()
    if not trainings:
        return [Table("table", study_runs.study.title, ["Clips"], [], study_runs.failure_notes())]
    scored = [_cached_scores(run, study_runs, run is trainings[0]) for run in trainings]
    attributes = read_attributes(Path(scored[0]["root"]))
    clips = [[ClipScores(**one) for one in result["clips"]] for result in scored]
    tables = [_by_subgroup(study_runs, clips, attributes), _by_class(study_runs, clips)]
    page = copy_into(study_runs.folder, trainings[0].folder / WORST_FILE)
    figure = _draw(study_runs, clips[0], attributes)
    return [*tables, figure, Attachment(page, "The worst clips, with pictures and players")]


def _cached_scores(run: Run, study_runs: StudyRuns, with_sound: bool) -> dict[str, Any]:
    """Every clip's scores; those of the first training also have sound, and a page of the worst."""
    count = (TINY_WITH_SOUND if study_runs.options.size == "tiny" else WITH_SOUND) if with_sound else 0
    files = [run.folder / WORST_FILE] if with_sound else []
    path = run.folder / f"failures-{count}.json"
    return dict(cached_json(path, lambda: _score(run, study_runs, count), {"sounded": count}, files))


def _score(run: Run, study_runs: StudyRuns, count: int) -> dict[str, Any]:
    trained = open_run(run)
    root = getattr(trained.data, "root", None)
    attributes = read_attributes(Path(root or ""))
    classes = _classes(trained)
    clips, waveforms = _score_clips(trained, classes, count)
    pages = {"The worst clips": _worst(trained, clips, waveforms, attributes)}
    if root is not None and (Path(root) / "ood.csv").is_file():
        other = open_run(run, _other_style(trained, root))
        more, waveforms = _score_clips(other, classes, count)
        for clip in more:
            clip.style = True
        pages["The worst in another style"] = _worst(other, more, waveforms, attributes)
        clips += more
    if count:
        sections = [Section(title, items, "By KL, the worst first.") for title, items in pages.items() if items]
        study = study_runs.study
        write_sounds_page(run.folder / WORST_FILE, study.title, study.question, study_runs.label, sections)
    return {"root": str(root or ""), "clips": [asdict(clip) for clip in clips]}


def _other_style(trained: TrainedRun, root: Path) -> list[str]:
    return [
        "--data=v2a_lightning.data_modules.VGGSoundDataModule",
        f"--data.init_args.csv={root}/ood.csv",
        f"--data.init_args.media={trained.data.media}",
        f"--data.init_args.store={trained.data.store_url}",
    ]


def _classes(trained: TrainedRun) -> Classes:
    pictures, targets = [], []
    for batch in trained.batches("fit"):
        means = AverageFrames()(batch["frames"], batch["frame_mask"], torch.Generator())
        pictures += list(zip(batch["label"], means, strict=True))
        targets += list(zip(batch["label"], batch["target"].flatten(1), strict=True))
    return Classes(class_means(targets), like_another(class_means(pictures)), like_another(class_means(targets)))


def _score_clips(trained: TrainedRun, classes: Classes, count: int) -> tuple[list[ClipScores], dict[str, Tensor]]:
    """Scores of all test clips, and the waveforms of the first `count`."""
    batches = list(trained.batches("test"))
    embeddings = torch.cat([trained.sample(batch) for batch in batches])
    cosines = F.cosine_similarity(embeddings, torch.cat([batch["target"].flatten(1) for batch in batches])).tolist()
    named = [one for batch in batches for one in zip(batch["clip_id"], batch["label"], strict=True)]
    guesses = nearest_classes(embeddings, classes.targets)
    clips = [
        ClipScores(
            clip_id,
            label,
            cosine,
            guess,
            looks_alike=label in classes.looks_alike,
            sounds_alike=label in classes.sounds_alike,
        )
        for (clip_id, label), cosine, guess in zip(named, cosines, guesses, strict=True)
    ]
    return clips, _generate(trained, clips[:count], embeddings[:count], batches) if count else {}


def _generate(
    trained: TrainedRun, clips: Sequence[ClipScores], embeddings: Tensor, batches: Sequence[Any]
) -> dict[str, Tensor]:
    """Generate the sound of some clips and score each; a clip whose true sound cannot be read stays without."""
    seeds = [clip_seed(trained.evaluation.seed, clip.clip_id) for clip in clips]
    waveforms = trained.generate(embeddings, seeds)
    frames = {
        clip_id: batch["frames"][row][batch["frame_mask"][row]]
        for batch in batches
        for row, clip_id in enumerate(batch["clip_id"])
    }
    suite, rate = trained.suite, trained.generator.sample_rate
    suite.reset()
    for clip, waveform in zip(clips, waveforms, strict=True):
        own = _reference(trained, clip)
        suite.add(clip.clip_id, (waveform, rate), None if own is None else (own, rate), frames[clip.clip_id])
    suite.compute()
    scores = suite.scores().found
    for name in ("kl", "cs"):
        if name in scores and scores[name].per_clip is not None:
            values = dict(zip(scores[name].clip_ids, scores[name].per_clip.tolist(), strict=True))  # type: ignore[union-attr]
            for clip in clips:
                setattr(clip, name, values.get(clip.clip_id))
    return dict(zip((clip.clip_id for clip in clips), waveforms, strict=True))


def _reference(trained: TrainedRun, clip: ClipScores) -> Any:
    try:
        return trained.data.reference_waveform(clip.clip_id)
    except MediaError:
        return None


def _worst(
    trained: TrainedRun,
    clips: Sequence[ClipScores],
    waveforms: Mapping[str, Tensor],
    attributes: Mapping[str, Attributes],
) -> list[Item]:
    scored = [clip for clip in clips if clip.clip_id in waveforms and clip.kl is not None]
    worst = sorted(scored, key=lambda clip: -(clip.kl or 0.0))[:WORST]
    return [_item(trained, clip, waveforms[clip.clip_id], subgroups_of(clip, attributes)) for clip in worst]


def _item(trained: TrainedRun, clip: ClipScores, waveform: Tensor, subgroups: Sequence[str]) -> Item:
    facts = "; ".join([*subgroups, ""])
    facts += f"KL {clip.kl:.2f}, CS {clip.cs or 0:.1f}, cosine {clip.cosine:.2f}; nearest class: {clip.guess}"
    reference = _reference(trained, clip)
    sounds = {"True sound": reference} if reference is not None else {}
    sounds["Generated sound"] = waveform.numpy()
    frames: list[str] = []
    try:
        spec = FrameSpec(6 / trained.seconds, trained.seconds)
        frames = strip_uris(read_frames(trained.data.source(clip.clip_id), spec))
    except MediaError as error:
        facts += f"; no pictures: {error}"
    return Item(clip.label, players(sounds, trained.generator.sample_rate), frames, clip.clip_id, facts)


def _by_subgroup(
    study_runs: StudyRuns, seeds: Sequence[Sequence[ClipScores]], attributes: Mapping[str, Attributes]
) -> Table:
    rows = []
    for name in (*SUBGROUPS, STYLE):
        chosen = [[clip for clip in clips if name in subgroups_of(clip, attributes)] for clips in seeds]
        if chosen[0]:
            rows.append([name, str(len(chosen[0])), *_cells(chosen)])
    return Table(
        name="subgroups",
        caption=f"By subgroup ({study_runs.about}). Cosine and “right class” (the nearest class by its training "
        "clips' sound): over seeds. KL and CS: over the first seed's clips that were made into sound. Mean ± standard "
        f"deviation [95 % interval]. “Looks” and “sounds much like another”: the {ALIKE:.0%} of the classes whose "
        "CLIP, or CLAP, mean is nearest to another class's.",
        columns=["Subgroup", "Clips", *SCORES.values(), "Right class ↑"],
        rows=rows,
        notes=study_runs.failure_notes(),
    )


def _by_class(study_runs: StudyRuns, seeds: Sequence[Sequence[ClipScores]]) -> Table:
    """From the worst class to the best."""
    labels = {clip.label for clip in seeds[0] if not clip.style}
    chosen = {
        label: [[clip for clip in clips if clip.label == label and not clip.style] for clips in seeds]
        for label in labels
    }
    order = sorted(labels, key=lambda label: float(np.mean([clip.cosine for clips in chosen[label] for clip in clips])))
    return Table(
        name="classes",
        caption=f"By class, the worst first ({study_runs.about}). “Taken for”: the nearest other class, and how often.",
        columns=["Class", "Clips", *SCORES.values(), "Right class ↑", "Taken for"],
        rows=[
            [label, str(len(chosen[label][0])), *_cells(chosen[label]), _taken_for(label, chosen[label])]
            for label in order
        ],
    )


def _cells(seeds: Sequence[Sequence[ClipScores]]) -> list[Cell]:
    cosine = summarise([float(np.mean([clip.cosine for clip in clips])) for clips in seeds])
    right = summarise([float(np.mean([clip.guess == clip.label for clip in clips])) for clips in seeds])
    return [cosine, *(_over_clips(seeds[0], name) for name in ("kl", "cs")), right]


def _over_clips(clips: Sequence[ClipScores], name: str) -> Summary | None:
    values = [value for clip in clips if (value := getattr(clip, name)) is not None]
    return summarise(values) if values else None


def _taken_for(label: str, seeds: Sequence[Sequence[ClipScores]]) -> str:
    guesses = Counter(clip.guess for clips in seeds for clip in clips if clip.guess != label)
    total = sum(map(len, seeds))
    return ", ".join(f"{name} {count / total:.0%}" for name, count in guesses.most_common(2))


def _draw(study_runs: StudyRuns, clips: Sequence[ClipScores], attributes: Mapping[str, Attributes]) -> Attachment:
    """Cosines of the first seed's clips by subgroup and by class."""
    subgroups: dict[str, list[float]] = {name: [] for name in (*SUBGROUPS, STYLE)}
    classes: dict[str, list[float]] = {}
    for clip in clips:
        for name in subgroups_of(clip, attributes):
            subgroups[name].append(clip.cosine)
        if not clip.style:
            classes.setdefault(clip.label, []).append(clip.cosine)
    sides = [{name: summarise(values) for name, values in side.items() if values} for side in (subgroups, classes)]
    sides[1] = dict(sorted(sides[1].items(), key=lambda item: -item[1].mean))
    figure, panels = new_panels(len(sides), 0.9 + 0.2 * max(map(len, sides)))
    figure.set_figwidth(5.2 * len(sides))
    for panel, side in zip(panels, sides, strict=True):
        draw_intervals(panel, {name: one.interval for name, one in side.items()})
        panel.set_title("Cosine of mapped and true embedding ↑", loc="left", fontsize=10)
    caption = f"({study_runs.label}; points: clips of the first seed; bars: 95 % interval over clips)"
    return study_runs.attach(figure, caption)
