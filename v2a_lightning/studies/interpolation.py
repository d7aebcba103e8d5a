"""Ten points on the way from one picture to another, or towards a word, made into sound."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.media import MediaError, read_frames, write_wave
from v2a_lightning.randomness import clip_seed, generators
from v2a_lightning.reports.pictures import strip_uris
from v2a_lightning.specs import FrameSpec
from v2a_lightning.studies.conduct import Context, Figure, Finding, Page
from v2a_lightning.studies.figures import draw_curve, new_figure, save_figure
from v2a_lightning.studies.keeping import kept, published
from v2a_lightning.studies.opening import Opened, open_run
from v2a_lightning.studies.pages import Item, Section, players, write_page
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.tables import Table

POINTS = 10
PAIRS = 4
TINY_PAIRS = 1
PAGE, WAVES = "interpolation.html", "interpolation"
BEFORE, AFTER, WORDS = "between CLIP embeddings", "between mapped embeddings", "from a picture to a text"
WAYS = {
    BEFORE: "slerp of the two pictures' CLIP embeddings; each point is mapped",
    AFTER: "both pictures are mapped; slerp of their CLAP embeddings",
    WORDS: "slerp of the picture's CLIP embedding and that of a text by CLIP's text tower; each point is mapped",
}


# Cosines of each point's sound with the first sound and the last.
Points = Sequence[Sequence[float]]
# By way, for each pair.
Result = dict[str, list[Points]]


@dataclass(frozen=True)
class Pair:
    """Two clips of different classes; of each the frame in the middle is the picture."""

    clip_ids: tuple[str, str]
    labels: tuple[str, str]
    pictures: Tensor


def slerp(first: Tensor, second: Tensor, points: int) -> Tensor:
    """`points` unit vectors evenly spaced on the great circle from one to the other, both included: (points, D).

    Formula: Shoemake 1985.

    Raises:
        ValueError: when the two point in opposite directions, between which there is no one way.
    """
    first, second = F.normalize(first, dim=0), F.normalize(second, dim=0)
    angle = torch.arccos((first @ second).clamp(-1, 1))
    if torch.pi - angle < 1e-4:
        raise ValueError("there is no one way between opposite directions")
    share = torch.linspace(0, 1, points)[:, None]
    if angle < 1e-4:
        return F.normalize(torch.lerp(first.expand(points, -1), second.expand(points, -1), share), dim=1)
    return (torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * second) / torch.sin(angle)


def analyse(context: Context) -> list[Finding]:
    """How sounds leave the start's and near the end's, over trainings; with the page of the first one."""
    trainings = context.trainings()
    if not trainings:
        return [Table("table", context.study.title, ["Way"], [], context.failures())]
    results = [_result(run, context) for run in trainings]
    page = published(trainings[0].folder / PAGE, context.folder)
    findings: list[Finding] = [_table(context, results), _draw(context, results)]
    return [*findings, Page(page, "Pictures, words and sounds on the way")]


def _result(run: Run, context: Context) -> Result:
    pairs = TINY_PAIRS if context.options.size == "tiny" else PAIRS
    settings, page = {"pairs": pairs, "points": POINTS}, run.folder / PAGE
    made = kept(run.folder / "interpolation.json", lambda: _make(run, context, pairs), settings, [page])
    return {way: made[way] for way in WAYS}


def _make(run: Run, context: Context, count: int) -> Result:
    """Cosines with the first and the last sound, by way, pair and point; wavs and the page are written beside."""
    opened = open_run(run)
    found: Result = {way: [] for way in WAYS}
    sections: dict[str, list[Item]] = {way: [] for way in WAYS}
    for number, pair in enumerate(choose_pairs(list(opened.batches()), count)):
        for way, embeddings in _embeddings(opened, pair).items():
            waves = _sounds(opened, pair, embeddings)
            _write(run.folder / WAVES, f"{number}-{way.replace(' ', '-')}", waves, opened.audioldm.sample_rate)
            found[way].append(_along(opened, waves))
            sections[way].append(_item(opened, pair, way, waves))
    write_page(
        run.folder / PAGE,
        context.study.title,
        context.study.question,
        context.label,
        [Section(way[0].upper() + way[1:], items, WAYS[way]) for way, items in sections.items()],
    )
    return found


def choose_pairs(batches: Sequence[Mapping[str, Any]], count: int) -> list[Pair]:
    """`count` pairs of clips of different classes, always the same ones; fewer when there are no more classes."""
    first: dict[str, tuple[str, Tensor]] = {}
    for batch in batches:
        for row, clip_id in enumerate(batch["clip_id"]):
            frames = batch["frames"][row][batch["frame_mask"][row]]
            first.setdefault(batch["label"][row], (clip_id, frames[len(frames) // 2]))
    labels = sorted(first)
    half = len(labels) // 2
    return [
        Pair((first[one][0], first[other][0]), (one, other), torch.stack([first[one][1], first[other][1]]).float())
        for one, other in list(zip(labels, labels[half:], strict=False))[: min(count, half)]
    ]


def _embeddings(opened: Opened, pair: Pair) -> dict[str, Tensor]:
    """CLAP embeddings (POINTS, D) by way. All points of a way share their noise, so that only the place changes."""
    text = opened.clip.encode_text([f"a {pair.labels[1]}"])[0].cpu()
    start, end = pair.pictures
    mapped = _mapped(opened, pair, pair.pictures)
    return {
        BEFORE: _mapped(opened, pair, slerp(start, end, POINTS)),
        AFTER: slerp(mapped[0], mapped[1], POINTS),
        WORDS: _mapped(opened, pair, slerp(start, text, POINTS)),
    }


def _mapped(opened: Opened, pair: Pair, seen: Tensor) -> Tensor:
    own = generators([clip_seed(opened.mapper.seed, pair.clip_ids[0])] * len(seen))
    return opened.mapper.sample(seen[:, None], generator=own).flatten(1)


def _sounds(opened: Opened, pair: Pair, embeddings: Tensor) -> Tensor:
    seeds = [clip_seed(opened.mapper.seed, pair.clip_ids[0])] * len(embeddings)
    return opened.audioldm.generate(embeddings, seconds=opened.seconds, seeds=seeds)


def _write(folder: Path, name: str, waves: Tensor, sample_rate: int) -> None:
    for point, wave in enumerate(waves):
        write_wave(folder / f"{name}-{point:02d}.wav", wave.numpy(), sample_rate)


def _along(opened: Opened, waves: Tensor) -> list[list[float]]:
    """For each point the cosine of its sound's CLAP embedding with the first's and with the last's."""
    heard = opened.data.encoders.clap.encode_audio(waves, opened.audioldm.sample_rate).cpu()
    return (heard @ heard[[0, -1]].T).tolist()


def _item(opened: Opened, pair: Pair, way: str, waves: Tensor) -> Item:
    frames: list[str] = []
    shown = pair.clip_ids[: 1 if way == WORDS else 2]
    for clip_id in shown:
        frames += _picture(opened, clip_id)
    end = f"the words “a {pair.labels[1]}”" if way == WORDS else pair.labels[1]
    titles = {f"{point + 1} of {POINTS}": wave.numpy() for point, wave in enumerate(waves)}
    sounds = players(titles, opened.audioldm.sample_rate)
    return Item(f"{pair.labels[0]} → {end}", sounds, frames, " ".join(shown))


def _picture(opened: Opened, clip_id: str) -> list[str]:
    """The frame in the middle, as a URI; nothing when the file has gone."""
    try:
        frames = read_frames(opened.data.source(clip_id), FrameSpec(4 / opened.seconds, opened.seconds))
    except MediaError:
        return []
    return strip_uris(frames[len(frames) // 2][None], 1)


def _table(context: Context, results: Sequence[Result]) -> Table:
    middle = POINTS // 2
    # At the first point and the last, one of the two cosines is 1.
    places = {
        "last, point 1": (0, 1),
        f"first, point {middle}": (middle - 1, 0),
        f"last, point {middle}": (middle - 1, 1),
    }
    pairs = max(len(found) for result in results for found in result.values())
    return Table(
        name="table",
        caption=f"Cosine of a point's sound with the first point's or the last's, in CLAP's space ({context.about}, "
        f"{pairs} pair{'s' * (pairs != 1)} of pictures). Mean ± standard deviation [95 % interval] over seeds.",
        columns=["Way", *(f"to the {name}" for name in places), "Largest step ↓"],
        rows=[
            [
                way,
                *(_over_seeds(results, way, _cosine(*place)) for place in places.values()),
                _over_seeds(results, way, largest_step),
            ]
            for way in WAYS
        ],
        notes=[
            "Largest step: the part of the whole change from first to last sound that happens between two neighbours; "
            f"{1 / (POINTS - 1):.2f} when even, 1 when the sound jumps.",
            *context.failures(),
        ],
    )


def _over_seeds(results: Sequence[Result], way: str, value: Callable[[Points], float]) -> Summary | None:
    """A value of every pair, its mean over pairs for each training."""
    means = [sum(map(value, result[way])) / len(result[way]) for result in results if result[way]]
    return summarise(means) if means else None


def _cosine(point: int, end: int) -> Callable[[Points], float]:
    """That of one point's sound with the first (0) or the last (1)."""
    return lambda points: points[point][end]


def largest_step(points: Points) -> float:
    """Of all losses of similarity with the first sound on the way, the largest one's part; points: (POINTS, 2)."""
    steps = [max(0.0, one[0] - other[0]) for one, other in itertools.pairwise(points)]
    return max(steps) / max(sum(steps), 1e-9)


def _draw(context: Context, results: Sequence[Result]) -> Figure:
    figure, panels = new_figure(len(WAYS), 2.8)
    for panel, way in zip(panels, WAYS, strict=True):
        for end, label in enumerate(("first", "last")):
            means = [_over_seeds(results, way, _cosine(point, end)) for point in range(POINTS)]
            points = [(1.0 + point, mean) for point, mean in enumerate(means) if mean is not None]
            if points:
                draw_curve(panel, points, f"to the {label} sound", end)
        panel.set_title(way, loc="left", fontsize=10)
        panel.set_xlabel("point", fontsize=8)
        panel.set_ylabel("cosine of sounds", fontsize=8)
        panel.legend(frameon=False, fontsize=7)
    path = context.folder / "figure.png"
    save_figure(figure, path)
    return Figure(path, f"{context.study.title} ({context.about}; bands: 95 % interval over seeds)")
