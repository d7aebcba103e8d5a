"""Where a mapper fails: by class, by subgroup, and a page of the worst clips with their sounds."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.media import MediaError, read_frames, write_waveform
from v2a_lightning.randomness import clip_seed
from v2a_lightning.reports.charts import draw_intervals, new_panels
from v2a_lightning.reports.pages import Item, Section, players, strip_uris, write_sounds_page
from v2a_lightning.reports.tables import Cell, Table
from v2a_lightning.specs import FrameSpec
from v2a_lightning.studies.analyses.subgroups import (
    ALIKE,
    STYLE,
    SUBGROUPS,
    ClipScores,
    class_means,
    like_another,
    nearest_classes,
    read_attributes,
    subgroups_of,
)
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.run import StudyRuns
from v2a_lightning.studies.statistics import summarise
from v2a_lightning.studies.trained_runs import TrainedRun, mean_frames
from v2a_lightning.studies.write import Attachment, Finding, copy_into

WITH_SOUND, TINY_WITH_SOUND = 96, 4
"""Clips of each split that are made into sound, in the order in which the data gives them."""
WORST = 12
WORST_FILE = "worst.html"
SCORES = {"cosine": "Cosine of embeddings ↑", "kl": "KL ↓", "cs": "CS ↑"}

# Of each training the clips of one group.
Seeds = Sequence[Sequence[ClipScores]]


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
        return [study_runs.table(study_runs.study.title, ["Clips"], [])]
    seeds = [_cached_scores(study_runs, run, run is trainings[0]) for run in trainings]
    page = copy_into(study_runs.folder, trainings[0].folder / WORST_FILE)
    subgroups = _grouped(seeds, (*SUBGROUPS, STYLE), lambda clip: clip.subgroups)
    labels = sorted({clip.label for clip in seeds[0] if not clip.style})
    classes = _grouped(seeds, labels, lambda clip: [] if clip.style else [clip.label])
    return [
        _by_subgroup(study_runs, subgroups),
        _by_class(study_runs, classes),
        _draw(study_runs, subgroups, classes),
        Attachment(page, "The worst clips, with pictures and players"),
    ]


def _cached_scores(study_runs: StudyRuns, run: Run, with_sound: bool) -> list[ClipScores]:
    """Every clip's scores; those of the first training also have sound, and a page of the worst."""
    count = study_runs.sized(WITH_SOUND, TINY_WITH_SOUND) if with_sound else 0
    files = [WORST_FILE] if with_sound else []
    clips = study_runs.cached(
        run, "clip-scores", lambda run: _score(study_runs, run, count), {"with_sound": count}, *files
    )
    return [ClipScores(**one) for one in clips]


def _score(study_runs: StudyRuns, run: Run, count: int) -> list[dict[str, Any]]:
    trained = study_runs.open(run)
    root = getattr(trained.data, "root", None)
    attributes, classes = read_attributes(root), _classes(trained)
    clips, waveforms = _score_clips(trained, classes, count)
    pages = {"The worst clips": (trained, clips, waveforms)}
    if root is not None and (Path(root) / "ood.csv").is_file():
        other = study_runs.open(run, _other_style(trained, root))
        more, waveforms = _score_clips(other, classes, count)
        for clip in more:
            clip.style = True
        pages["The worst in another style"] = (other, more, waveforms)
        clips = clips + more
    for clip in clips:
        clip.subgroups = subgroups_of(clip, attributes)
    if count:
        worst = {title: _worst(*page) for title, page in pages.items()}
        sections = [Section(title, items, "By KL, the worst first.") for title, items in worst.items() if items]
        study = study_runs.study
        write_sounds_page(run.folder / WORST_FILE, study.title, study.question, study_runs.label, sections)
    return [asdict(clip) for clip in clips]


def _other_style(trained: TrainedRun, root: Path) -> list[str]:
    return [
        "--data=v2a_lightning.data_modules.VGGSoundDataModule",
        f"--data.init_args.csv={root}/ood.csv",
        f"--data.init_args.media={trained.data.media}",
        f"--data.init_args.store={trained.data.store_url}",
    ]


def _classes(trained: TrainedRun) -> Classes:
    """Of several encoders, classes look alike by all of them together."""
    pictures, targets = [], []
    for batch in trained.batches("fit"):
        means = torch.cat(list(mean_frames(batch).values()), dim=1)
        pictures += list(zip(batch["label"], means, strict=True))
        targets += list(zip(batch["label"], batch["target"].flatten(1), strict=True))
    return Classes(class_means(targets), like_another(class_means(pictures)), like_another(class_means(targets)))


def _score_clips(trained: TrainedRun, classes: Classes, count: int) -> tuple[list[ClipScores], dict[str, Tensor]]:
    """Scores of all test clips, and the waveforms of the first `count`."""
    batches = list(trained.batches("test"))
    embeddings = torch.cat([trained.sample(batch) for batch in batches])
    cosines = F.cosine_similarity(embeddings, torch.cat([batch["target"].flatten(1) for batch in batches])).tolist()
    named = [one for batch in batches for one in zip(batch["clip_id"], batch["label"], strict=True)]
    clips = [
        ClipScores(
            clip_id,
            label,
            cosine,
            guess,
            looks_alike=label in classes.looks_alike,
            sounds_alike=label in classes.sounds_alike,
        )
        for (clip_id, label), cosine, guess in zip(
            named, cosines, nearest_classes(embeddings, classes.targets), strict=True
        )
    ]
    return clips, _generate(trained, clips[:count], embeddings[:count]) if count else {}


def _generate(trained: TrainedRun, clips: Sequence[ClipScores], embeddings: Tensor) -> dict[str, Tensor]:
    """Generate the sound of some clips and score each; a clip whose true sound cannot be read stays without."""
    seeds = [clip_seed(trained.evaluation.seed, clip.clip_id) for clip in clips]
    waveforms = dict(zip([clip.clip_id for clip in clips], trained.generate(embeddings, seeds), strict=True))
    with TemporaryDirectory() as scratch:
        files = {one: Path(scratch, f"{one}.wav") for one in waveforms if _reference(trained, one) is not None}
        for clip_id, file in files.items():
            write_waveform(file, waveforms[clip_id].numpy(), trained.generator.sample_rate)
        trained.score(files)
    for name in ("kl", "cs"):
        score = trained.suite.scores().found.get(name)
        if score is not None and score.per_clip is not None:
            values = dict(zip(score.clip_ids, score.per_clip.tolist(), strict=True))
            for clip in clips:
                setattr(clip, name, values.get(clip.clip_id))
    return waveforms


def _reference(trained: TrainedRun, clip_id: str) -> Any:
    try:
        return trained.data.reference_waveform(clip_id)
    except MediaError:
        return None


def _worst(trained: TrainedRun, clips: Sequence[ClipScores], waveforms: Mapping[str, Tensor]) -> list[Item]:
    scored = [clip for clip in clips if clip.clip_id in waveforms and clip.kl is not None]
    return [
        _item(trained, clip, waveforms[clip.clip_id])
        for clip in sorted(scored, key=lambda clip: -(clip.kl or 0.0))[:WORST]
    ]


def _item(trained: TrainedRun, clip: ClipScores, waveform: Tensor) -> Item:
    facts = "; ".join([*clip.subgroups, ""])
    facts += f"KL {clip.kl:.2f}, CS {clip.cs or 0:.1f}, cosine {clip.cosine:.2f}; nearest class: {clip.guess}"
    sounds = {"True sound": _reference(trained, clip.clip_id), "Generated sound": waveform.numpy()}
    frames: list[str] = []
    try:
        spec = FrameSpec(6 / trained.seconds, trained.seconds)
        frames = strip_uris(read_frames(trained.data.source(clip.clip_id), spec))
    except MediaError as error:
        facts += f"; no pictures: {error}"
    return Item(clip.label, players(sounds, trained.generator.sample_rate), frames, clip.clip_id, facts)


def _grouped(
    seeds: Seeds, names: Sequence[str], groups_of: Callable[[ClipScores], Sequence[str]]
) -> dict[str, list[list[ClipScores]]]:
    """By group the clips of each training, in the order of `names`; without groups that have none."""
    found = {name: [[clip for clip in clips if name in groups_of(clip)] for clips in seeds] for name in names}
    return {name: chosen for name, chosen in found.items() if chosen[0]}


def _by_subgroup(study_runs: StudyRuns, subgroups: Mapping[str, Seeds]) -> Table:
    return study_runs.table(
        f"By subgroup ({study_runs.about}). Cosine and “right class” (the nearest class by its training "
        "clips' sound): over seeds. KL and CS: over the first seed's clips that were made into sound. Mean ± standard "
        f"deviation [95 % interval]. “Looks” and “sounds much like another”: the {ALIKE:.0%} of the classes whose "
        "CLIP, or CLAP, mean is nearest to another class's.",
        ["Subgroup", "Clips", *SCORES.values(), "Right class ↑"],
        [[name, str(len(seeds[0])), *_cells(seeds)] for name, seeds in subgroups.items()],
        name="subgroups",
    )


def _by_class(study_runs: StudyRuns, classes: Mapping[str, Seeds]) -> Table:
    """From the worst class to the best."""
    order = sorted(classes, key=lambda label: float(np.mean([one.cosine for clips in classes[label] for one in clips])))
    return Table(
        name="classes",
        caption=f"By class, the worst first ({study_runs.about}). “Taken for”: the nearest other class, and how often.",
        columns=["Class", "Clips", *SCORES.values(), "Right class ↑", "Taken for"],
        rows=[
            [label, str(len(seeds[0])), *_cells(seeds), _taken_for(label, seeds)]
            for label, seeds in ((label, classes[label]) for label in order)
        ],
    )


def _cells(seeds: Seeds) -> list[Cell]:
    cosine = summarise([float(np.mean([clip.cosine for clip in clips])) for clips in seeds])
    right = summarise([float(np.mean([clip.guess == clip.label for clip in clips])) for clips in seeds])
    scored = [[getattr(clip, name) for clip in seeds[0] if getattr(clip, name) is not None] for name in ("kl", "cs")]
    return [cosine, *(summarise(values) if values else None for values in scored), right]


def _taken_for(label: str, seeds: Seeds) -> str:
    guesses = Counter(clip.guess for clips in seeds for clip in clips if clip.guess != label)
    total = sum(map(len, seeds))
    return ", ".join(f"{name} {count / total:.0%}" for name, count in guesses.most_common(2))


def _draw(study_runs: StudyRuns, *groups: Mapping[str, Seeds]) -> Attachment:
    """Cosines of the first seed's clips by subgroup and by class."""
    subgroups, classes = (
        {name: summarise([clip.cosine for clip in seeds[0]]) for name, seeds in group.items()} for group in groups
    )
    classes = dict(sorted(classes.items(), key=lambda item: -item[1].value))
    figure, panels = new_panels(2, 0.9 + 0.2 * max(len(subgroups), len(classes)))
    figure.set_figwidth(10.4)
    for panel, side in zip(panels, (subgroups, classes), strict=True):
        draw_intervals(panel, side)
        panel.set_title("Cosine of mapped and true embedding ↑", loc="left", fontsize=10)
    caption = f"({study_runs.label}; points: clips of the first seed; bars: 95 % interval over clips)"
    return study_runs.attach(figure, caption)
