"""Where a mapper fails: by class, by circumstance, and the worst clips to look at and hear."""

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
from v2a_lightning.reports.pictures import strip_uris
from v2a_lightning.specs import FrameSpec
from v2a_lightning.studies.circumstances import (
    ALIKE,
    CIRCUMSTANCES,
    STYLE,
    Attributes,
    Clip,
    circumstances_of,
    class_means,
    like_another,
    nearest_classes,
    read_attributes,
)
from v2a_lightning.studies.conduct import Context, Figure, Finding, Page
from v2a_lightning.studies.figures import draw_intervals, new_figure, save_figure
from v2a_lightning.studies.keeping import kept, published
from v2a_lightning.studies.opening import Opened, open_run
from v2a_lightning.studies.pages import Item, Section, players, write_page
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.tables import Cell, Table

SOUNDED = 96
"""Clips of each split that are made into sound, in the order in which the data gives them."""
TINY_SOUNDED = 4
WORST = 12
WORST_FILE = "worst.html"
SCORES = {"cosine": "Cosine of embeddings ↑", "kl": "KL ↓", "cs": "CS ↑"}


def analyse(context: Context) -> list[Finding]:
    """Tables by circumstance and by class over all clips of all seeds, and the first seed's worst clips on a page."""
    trainings = context.trainings()
    if not trainings:
        return [Table("table", context.study.title, ["Clips"], [], context.failures())]
    scored = [(run, _scored(run, context, run is trainings[0])) for run in trainings]
    attributes = read_attributes(Path(scored[0][1]["root"]))
    clips = [[Clip(**one) for one in result["clips"]] for _, result in scored]
    tables = [_by_circumstance(context, clips, attributes), _by_class(context, clips)]
    findings: list[Finding] = [*tables, _draw(context, clips[0], attributes)]
    page = published(trainings[0].folder / WORST_FILE, context.folder)
    return [*findings, Page(page, "The worst clips, with pictures and players")]


def _scored(run: Run, context: Context, sounded: bool) -> dict[str, Any]:
    """Every clip's scores; those of the first training also have sound, and a page of the worst."""
    count = (TINY_SOUNDED if context.options.size == "tiny" else SOUNDED) if sounded else 0
    files = [run.folder / WORST_FILE] if sounded else []
    path = run.folder / f"failures-{count}.json"
    return dict(kept(path, lambda: _score(run, context, count), {"sounded": count}, files))


def _score(run: Run, context: Context, count: int) -> dict[str, Any]:
    opened = open_run(run)
    root = getattr(opened.data, "root", None)
    attributes = read_attributes(Path(root or ""))
    known = _classes(opened)
    clips, waves = _clips(opened, known, count)
    pages = {"The worst clips": _items(opened, clips, waves, attributes)}
    if root is not None and (Path(root) / "ood.csv").is_file():
        other = open_run(run, _other_style(opened, root))
        more, other_waves = _clips(other, known, count)
        for clip in more:
            clip.style = True
        pages["The worst in another style"] = _items(other, more, other_waves, attributes)
        clips += more
    if count:
        _write_worst(run.folder / WORST_FILE, pages, context)
    return {"root": str(root or ""), "clips": [asdict(clip) for clip in clips]}


def _other_style(opened: Opened, root: Path) -> list[str]:
    data = opened.data
    return [
        "--data=v2a_lightning.data_modules.VGGSoundDataModule",
        f"--data.init_args.csv={root}/ood.csv",
        f"--data.init_args.media={data.media}",
        f"--data.init_args.store={data.store_url}",
    ]


@dataclass(frozen=True)
class Classes:
    """What training clips say of the classes: the direction (D,) of each one's sound, and which are alike."""

    heard: Mapping[str, Tensor]
    looks_alike: Collection[str]
    sounds_alike: Collection[str]


def _classes(opened: Opened) -> Classes:
    seen, heard = [], []
    for batch in opened.batches("fit"):
        pictures = AverageFrames()(batch["frames"], batch["frame_mask"], torch.Generator())
        seen += list(zip(batch["label"], pictures, strict=True))
        heard += list(zip(batch["label"], batch["target"].flatten(1), strict=True))
    return Classes(class_means(heard), like_another(class_means(seen)), like_another(class_means(heard)))


def _clips(opened: Opened, known: Classes, count: int) -> tuple[list[Clip], dict[str, Tensor]]:
    """Scores of all test clips, and the waves of the first `count`."""
    batches = list(opened.batches("test"))
    embeddings = torch.cat([opened.sample(batch) for batch in batches])
    cosines = F.cosine_similarity(embeddings, torch.cat([batch["target"].flatten(1) for batch in batches])).tolist()
    named = [one for batch in batches for one in zip(batch["clip_id"], batch["label"], strict=True)]
    guesses = nearest_classes(embeddings, known.heard)
    clips = [
        Clip(
            clip_id,
            label,
            cosine,
            guess,
            looks_alike=label in known.looks_alike,
            sounds_alike=label in known.sounds_alike,
        )
        for (clip_id, label), cosine, guess in zip(named, cosines, guesses, strict=True)
    ]
    return clips, _hear(opened, clips[:count], embeddings[:count], batches) if count else {}


def _hear(opened: Opened, clips: Sequence[Clip], embeddings: Tensor, batches: Sequence[Any]) -> dict[str, Tensor]:
    """Make sound of some clips and score each; a clip whose true sound cannot be read stays without."""
    seeds = [clip_seed(opened.evaluation.seed, clip.clip_id) for clip in clips]
    waves = opened.audioldm.generate(embeddings, seconds=opened.seconds, seeds=seeds)
    seen = {
        clip_id: batch["frames"][row][batch["frame_mask"][row]]
        for batch in batches
        for row, clip_id in enumerate(batch["clip_id"])
    }
    references = [_reference(opened, clip) for clip in clips]
    opened.suite.reset()
    opened.suite.update(
        [clip.clip_id for clip in clips],
        list(waves),
        opened.audioldm.sample_rate,
        references,
        [seen[clip.clip_id] for clip in clips],
    )
    opened.suite.compute()
    scores = opened.suite.scores().found
    for name in ("kl", "cs"):
        if name in scores and scores[name].per_clip is not None:
            values = dict(zip(scores[name].clip_ids, scores[name].per_clip.tolist(), strict=True))  # type: ignore[union-attr]
            for clip in clips:
                setattr(clip, name, values.get(clip.clip_id))
    return {clip.clip_id: wave for clip, wave in zip(clips, waves, strict=True)}


def _reference(opened: Opened, clip: Clip) -> Any:
    try:
        return opened.data.reference_wave(clip.clip_id)
    except MediaError:
        return None


def _by_circumstance(context: Context, seeds: Sequence[Sequence[Clip]], attributes: Mapping[str, Attributes]) -> Table:
    rows = []
    for name in (*CIRCUMSTANCES, STYLE):
        chosen = [[clip for clip in clips if name in circumstances_of(clip, attributes)] for clips in seeds]
        if chosen[0]:
            rows.append([name, str(len(chosen[0])), *_cells(chosen)])
    return Table(
        name="circumstances",
        caption=f"By circumstance ({context.about}). Cosine and “right class” (the nearest class by its training "
        "clips' sound): over seeds. KL and CS: over the first seed's clips that were made into sound. Mean ± standard "
        f"deviation [95 % interval]. “Looks” and “sounds much like another”: the {ALIKE:.0%} of the classes whose "
        "CLIP, or CLAP, mean is nearest to another class's.",
        columns=["Circumstance", "Clips", *SCORES.values(), "Right class ↑"],
        rows=rows,
        notes=context.failures(),
    )


def _by_class(context: Context, seeds: Sequence[Sequence[Clip]]) -> Table:
    """From the worst class to the best."""
    labels = {clip.label for clip in seeds[0] if not clip.style}
    chosen = {
        label: [[clip for clip in clips if clip.label == label and not clip.style] for clips in seeds]
        for label in labels
    }
    order = sorted(labels, key=lambda label: float(np.mean([clip.cosine for clips in chosen[label] for clip in clips])))
    return Table(
        name="classes",
        caption=f"By class, the worst first ({context.about}). “Taken for”: the nearest other class, and how often.",
        columns=["Class", "Clips", *SCORES.values(), "Right class ↑", "Taken for"],
        rows=[
            [label, str(len(chosen[label][0])), *_cells(chosen[label]), _taken_for(label, chosen[label])]
            for label in order
        ],
    )


def _cells(seeds: Sequence[Sequence[Clip]]) -> list[Cell]:
    cosine = summarise([float(np.mean([clip.cosine for clip in clips])) for clips in seeds])
    right = summarise([float(np.mean([clip.guess == clip.label for clip in clips])) for clips in seeds])
    return [cosine, *(_of_clips(seeds[0], name) for name in ("kl", "cs")), right]


def _of_clips(clips: Sequence[Clip], name: str) -> Summary | None:
    values = [value for clip in clips if (value := getattr(clip, name)) is not None]
    return summarise(values) if values else None


def _taken_for(label: str, seeds: Sequence[Sequence[Clip]]) -> str:
    guesses = Counter(clip.guess for clips in seeds for clip in clips if clip.guess != label)
    total = sum(map(len, seeds))
    return ", ".join(f"{name} {count / total:.0%}" for name, count in guesses.most_common(2))


def _draw(context: Context, clips: Sequence[Clip], attributes: Mapping[str, Attributes]) -> Figure:
    """Cosines of the first seed's clips by circumstance and by class."""
    cosines: tuple[dict[str, list[float]], dict[str, list[float]]] = {name: [] for name in (*CIRCUMSTANCES, STYLE)}, {}
    for clip in clips:
        for name in circumstances_of(clip, attributes):
            cosines[0][name].append(clip.cosine)
        if not clip.style:
            cosines[1].setdefault(clip.label, []).append(clip.cosine)
    sides = [{name: summarise(values) for name, values in side.items() if values} for side in cosines]
    figure, panels = new_figure(len(sides), 0.9 + 0.2 * max(map(len, sides)))
    figure.set_figwidth(5.2 * len(sides))
    draw_intervals(panels[0], list(sides[0]), sides[0])
    draw_intervals(panels[1], sorted(sides[1], key=lambda label: -sides[1][label].mean), sides[1])
    for panel in panels:
        panel.set_title("Cosine of mapped and true embedding ↑", loc="left", fontsize=10)
    path = context.folder / "figure.png"
    save_figure(figure, path)
    caption = (
        f"{context.study.title} ({context.label}; points: clips of the first seed; bars: 95 % interval over clips)"
    )
    return Figure(path, caption)


def _write_worst(path: Path, pages: Mapping[str, Sequence[Item]], context: Context) -> None:
    write_page(
        path,
        context.study.title,
        context.study.question,
        context.label,
        [Section(title, items, "By KL, the worst first.") for title, items in pages.items() if items],
    )


def _items(
    opened: Opened, clips: Sequence[Clip], waves: Mapping[str, Tensor], attributes: Mapping[str, Attributes]
) -> list[Item]:
    scored = [clip for clip in clips if clip.clip_id in waves and clip.kl is not None]
    worst = sorted(scored, key=lambda clip: -(clip.kl or 0.0))[:WORST]
    return [_item(opened, clip, waves[clip.clip_id], circumstances_of(clip, attributes)) for clip in worst]


def _item(opened: Opened, clip: Clip, wave: Tensor, circumstances: Sequence[str]) -> Item:
    facts = "; ".join([*circumstances, ""])
    facts += f"KL {clip.kl:.2f}, CS {clip.cs or 0:.1f}, cosine {clip.cosine:.2f}; nearest class: {clip.guess}"
    own = _reference(opened, clip)
    sounds = {"True sound": own} if own is not None else {}
    sounds["Generated sound"] = wave.numpy()
    frames: list[str] = []
    try:
        seen = read_frames(opened.data.source(clip.clip_id), FrameSpec(6 / opened.seconds, opened.seconds))
        frames = strip_uris(seen)
    except MediaError as error:
        facts += f"; no pictures: {error}"
    return Item(clip.label, players(sounds, opened.audioldm.sample_rate), frames, clip.clip_id, facts)
