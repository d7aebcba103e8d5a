"""Where a mapper fails: by class, by circumstance, and the worst clips to look at and hear."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.experiments.conduct import Context, Figure, Finding, Page
from v2a_lightning.experiments.figures import draw_intervals, new_figure, save_figure
from v2a_lightning.experiments.keeping import kept
from v2a_lightning.experiments.opening import Opened, open_run
from v2a_lightning.experiments.pages import Item, Section, players, write_page
from v2a_lightning.experiments.plan import Run
from v2a_lightning.experiments.statistics import Summary, summarise
from v2a_lightning.experiments.tables import Cell, Table
from v2a_lightning.media import MediaError, read_frames
from v2a_lightning.randomness import clip_seed
from v2a_lightning.reports.pictures import strip_uris
from v2a_lightning.specs import FrameSpec

SOUNDED = 96
"""Clips of each split that are made into sound, in the order in which the data gives them."""
WORST = 12
SCORES = {"cosine": "Cosine of embeddings ↑", "kl": "KL ↓", "cs": "CS ↑"}

Attributes = Mapping[str, Any]


@dataclass
class Clip:
    """One clip's scores.

    Args:
        clip_id: the clip.
        label: its class.
        cosine: of mapped and true embedding.
        guess: the class whose mean true embedding is nearest to the mapped one.
        kl: divergence of the tagger's classes; None when no sound was made.
        cs: CLIP-score.
        style: whether it is from the clips drawn in another style.
    """

    clip_id: str
    label: str
    cosine: float
    guess: str
    kl: float | None = None
    cs: float | None = None
    style: bool = False


CIRCUMSTANCES: dict[str, Callable[[Clip, Attributes], bool]] = {
    "one scene, object mostly in view": lambda clip, about: (
        not clip.style and _scenes(about) == 1 and _view(about) >= 0.5
    ),
    "two scenes in the clip": lambda clip, about: not clip.style and _scenes(about) == 2,
    "object in view less than half of the time": lambda clip, about: not clip.style and _view(about) < 0.5,
    "behind something (not at the side)": lambda clip, about: (
        not clip.style and _view(about) < 1 and about["scenes"][0]["entrance"] == "occluder"
    ),
    "several of its kind": lambda clip, about: not clip.style and about["scenes"][0]["count"] > 1,
    "drawn in another style": lambda clip, about: clip.style,
}


def analyse(context: Context) -> list[Finding]:
    """Tables by circumstance and by class over all clips of all seeds, and the first seed's worst clips on a page."""
    trainings = context.trainings()
    if not trainings:
        return [Table("table", context.study.title, ["Clips"], [], context.failures())]
    scored = [(run, _scored(run, context)) for run in trainings]
    attributes = _attributes(Path(scored[0][1]["root"]))
    clips = [[Clip(**one) for one in result["clips"]] for _, result in scored]
    findings: list[Finding] = []
    if attributes:
        findings.append(_by_circumstance(context, clips, attributes))
    findings += [_by_class(context, clips), _draw(context, clips, attributes)]
    findings.append(Page(context.folder / "worst.html", "The worst clips, with pictures and players"))
    return findings


def _scored(run: Run, context: Context) -> dict[str, Any]:
    """Every clip's scores; those of the first training also have sound, and a page of the worst."""
    count = 6 if context.options.size == "tiny" else SOUNDED
    sounded = run is context.trainings()[0]
    return dict(kept(run.folder / "failures.json", lambda: _score(run, context, count if sounded else 0)))


def _score(run: Run, context: Context, count: int) -> dict[str, Any]:
    opened = open_run(run)
    clips, waves = _clips(opened, count, style=False)
    pages = {"The worst clips": _items(opened, clips, waves)}
    root = getattr(opened.data, "root", None)
    if root is not None and (Path(root) / "ood.csv").is_file():
        other = open_run(run, _other_style(opened, root))
        more, other_waves = _clips(other, count, style=True)
        pages["The worst in another style"] = _items(other, more, other_waves)
        clips += more
    if count:
        _write_worst(pages, context)
    return {"root": str(root or ""), "clips": [asdict(clip) for clip in clips]}


def _other_style(opened: Opened, root: Path) -> list[str]:
    data = opened.data
    return [
        "--data=data_modules.VGGSoundDataModule",
        f"--data.init_args.csv={root}/ood.csv",
        f"--data.init_args.media={data.media}",
        f"--data.init_args.store={data.store_url}",
    ]


def _clips(opened: Opened, count: int, style: bool) -> tuple[list[Clip], dict[str, Tensor]]:
    """Scores of all test clips, and the waves of the first `count`."""
    batches = list(opened.batches("test"))
    mapped = [opened.sample(batch) for batch in batches]
    heard = torch.cat([batch["audio"] for batch in batches])
    labels = [label for batch in batches for label in batch["label"]]
    clip_ids = [clip_id for batch in batches for clip_id in batch["clip_id"]]
    embeddings = torch.cat(mapped)
    cosines = F.cosine_similarity(embeddings, heard).tolist()
    guesses = nearest_classes(embeddings, heard, labels)
    clips = [
        Clip(clip_id, label, cosine, guess, style=style)
        for clip_id, label, cosine, guess in zip(clip_ids, labels, cosines, guesses, strict=True)
    ]
    return clips, _hear(opened, clips[:count], embeddings[:count], batches) if count else {}


def nearest_classes(embeddings: Tensor, heard: Tensor, labels: Sequence[str]) -> list[str]:
    """For each embedding (N, D) the class whose mean true embedding is nearest by cosine, the clip itself left out."""
    classes = sorted(set(labels))
    belongs = torch.tensor([[label == one for one in classes] for label in labels], dtype=heard.dtype)
    sums = belongs.T @ heard
    guesses = []
    for row, embedding in enumerate(embeddings):
        own = belongs[row][:, None] * heard[row]
        means = F.normalize(sums - own, dim=1)
        guesses.append(classes[int((means @ embedding).argmax())])
    return guesses


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


def _attributes(root: Path) -> dict[str, Attributes]:
    """What is in each clip, where its maker wrote that down."""
    path = root / "attributes.jsonl"
    if not root.name or not path.is_file():
        return {}
    return {one["clip_id"]: one for one in map(json.loads, path.read_text().splitlines())}


def _scenes(about: Attributes) -> int:
    return len(about["scenes"])


def _view(about: Attributes) -> float:
    """Part of the longer scene in which its object is in view."""
    scene = about["scenes"][0 if about["boundary"] >= 0.5 else -1]
    return float(scene["visible_to"] - scene["visible_from"])


def _by_circumstance(context: Context, seeds: Sequence[Sequence[Clip]], attributes: Mapping[str, Attributes]) -> Table:
    rows = []
    for name, holds in CIRCUMSTANCES.items():
        chosen = [[clip for clip in clips if holds(clip, attributes[clip.clip_id])] for clips in seeds]
        if chosen[0]:
            rows.append([name, str(len(chosen[0])), *_cells(chosen)])
    return Table(
        name="circumstances",
        caption=f"By circumstance ({context.about}). Cosine and “right class”: over seeds. KL and CS: over the "
        "first seed's clips that were made into sound. Mean ± standard deviation [95 % interval].",
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


def _draw(context: Context, seeds: Sequence[Sequence[Clip]], attributes: Mapping[str, Attributes]) -> Figure:
    """Cosines of the first seed's clips by circumstance and by class."""
    groups: dict[str, list[float]] = defaultdict(list)
    for clip in seeds[0]:
        for name, holds in CIRCUMSTANCES.items():
            if attributes and holds(clip, attributes[clip.clip_id]):
                groups[name].append(clip.cosine)
    classes: dict[str, list[float]] = defaultdict(list)
    for clip in seeds[0]:
        if not clip.style:
            classes[clip.label].append(clip.cosine)
    sides = [one for one in (groups, classes) if one]
    figure, panels = new_figure(len(sides), 0.9 + 0.2 * max(map(len, sides)))
    figure.set_figwidth(5.2 * len(sides))
    for panel, side in zip(panels, sides, strict=True):
        summaries = {name: summarise(values) for name, values in side.items()}
        names = list(side) if side is groups else sorted(side, key=lambda name: -summaries[name].mean)
        draw_intervals(panel, names, summaries)
        panel.set_title("Cosine of mapped and true embedding ↑", loc="left", fontsize=10)
    path = context.folder / "figure.png"
    save_figure(figure, path)
    return Figure(path, f"{context.study.title} ({context.about})")


def _write_worst(pages: Mapping[str, Sequence[Item]], context: Context) -> None:
    write_page(
        context.folder / "worst.html",
        context.study.title,
        context.study.question,
        "miniature" if context.about.startswith("miniature") else "",
        [Section(title, items, "By KL, the worst first.") for title, items in pages.items() if items],
    )


def _items(opened: Opened, clips: Sequence[Clip], waves: Mapping[str, Tensor]) -> list[Item]:
    scored = [clip for clip in clips if clip.clip_id in waves and clip.kl is not None]
    worst = sorted(scored, key=lambda clip: -(clip.kl or 0.0))[:WORST]
    return [_item(opened, clip, waves[clip.clip_id]) for clip in worst]


def _item(opened: Opened, clip: Clip, wave: Tensor) -> Item:
    facts = f"KL {clip.kl:.2f}, CS {clip.cs or 0:.1f}, cosine {clip.cosine:.2f}; nearest class: {clip.guess}"
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
