"""Ten points on the way from one picture to another, or towards a word, made into sound."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.encoders.base import SOLE
from v2a_lightning.media import MediaError, read_frames, write_waveform
from v2a_lightning.randomness import clip_seed, generators
from v2a_lightning.reports.charts import draw_curve, new_panels
from v2a_lightning.reports.pages import Item, Section, players, strip_uris, write_sounds_page
from v2a_lightning.reports.tables import Table
from v2a_lightning.specs import FrameSpec
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.run import StudyRuns
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.tables import OVER_SEEDS
from v2a_lightning.studies.trained_runs import TrainedRun, views_of
from v2a_lightning.studies.write import Attachment, Finding, copy_into

POINTS = 10
PAIRS, TINY_PAIRS = 4, 1
PAGE, SOUNDS = "interpolation.html", "interpolation"
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
    """Two clips of different classes; of each the frame in the middle is the picture, embedded (2, D) by encoder."""

    clip_ids: tuple[str, str]
    labels: tuple[str, str]
    pictures: dict[str, Tensor]


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


def interpolate_pictures(study_runs: StudyRuns) -> list[Finding]:
    """How sounds leave the start's and near the end's, over trainings; with the page of the first one."""
    trainings = study_runs.trainings()
    if not trainings:
        return [study_runs.table(study_runs.study.title, ["Way"], [])]
    count = study_runs.sized(PAIRS, TINY_PAIRS)
    settings = {"pairs": count, "points": POINTS}
    results: list[Result] = [
        study_runs.cached(run, "interpolation", lambda run: _generate(study_runs, run, count), settings, PAGE)
        for run in trainings
    ]
    page = copy_into(study_runs.folder, trainings[0].folder / PAGE)
    findings: list[Finding] = [_table(study_runs, results), _draw(study_runs, results)]
    return [*findings, Attachment(page, "Pictures, words and sounds on the way")]


def _generate(study_runs: StudyRuns, run: Run, count: int) -> Result:
    """Cosines with the first and the last sound, by way, pair and point; wavs and the page are written beside."""
    trained = study_runs.open(run)
    rate = trained.generator.sample_rate
    found: Result = {}
    items: dict[str, list[Item]] = {}
    for index, pair in enumerate(choose_pairs(list(trained.batches()), count)):
        for way, embeddings in _embeddings(trained, pair).items():
            seeds = [clip_seed(trained.mapper.seed, pair.clip_ids[0])] * len(embeddings)
            waveforms = trained.generate(embeddings, seeds)
            for point, waveform in enumerate(waveforms):
                name = f"{index}-{way.replace(' ', '-')}-{point:02d}.wav"
                write_waveform(run.folder / SOUNDS / name, waveform.numpy(), rate)
            features = trained.data.encoders.clap.encode_audio(waveforms, rate).cpu()
            found.setdefault(way, []).append((features @ features[[0, -1]].T).tolist())
            items.setdefault(way, []).append(_item(trained, pair, way, waveforms))
    sections = [Section(way[0].upper() + way[1:], items[way], WAYS[way]) for way in items]
    write_sounds_page(run.folder / PAGE, study_runs.study.title, study_runs.study.question, study_runs.label, sections)
    return found


def choose_pairs(batches: Sequence[Mapping[str, Any]], count: int) -> list[Pair]:
    """`count` pairs of clips of different classes, always the same ones; fewer when there are no more classes."""
    first: dict[str, tuple[str, dict[str, Tensor]]] = {}
    for batch in batches:
        for row, (clip_id, mask) in enumerate(zip(batch["clip_id"], batch["frame_mask"], strict=True)):
            pictures = {name: frames[row][mask][mask.sum() // 2] for name, frames in views_of(batch).items()}
            first.setdefault(batch["label"][row], (clip_id, pictures))
    labels = sorted(first)
    half = len(labels) // 2
    pairs = []
    for ends in list(zip(labels, labels[half:], strict=False))[: min(count, half)]:
        (one, start), (other, end) = (first[label] for label in ends)
        pairs.append(Pair((one, other), ends, {name: torch.stack([start[name], end[name]]).float() for name in start}))
    return pairs


def _embeddings(trained: TrainedRun, pair: Pair) -> dict[str, Tensor]:
    """CLAP embeddings (POINTS, D) by way. All points of a way share their noise, so that only the place changes.

    The way to a text is there where every encoder of frames has a text tower.
    """
    mapped = _map(trained, pair, pair.pictures)
    found = {
        BEFORE: _map(trained, pair, {name: slerp(*ends, POINTS) for name, ends in pair.pictures.items()}),
        AFTER: slerp(mapped[0], mapped[1], POINTS),
    }
    encoders = trained.data.encoders.by_name
    if all(hasattr(encoder, "encode_text") for encoder in encoders.values()):
        texts = {name: encoder.encode_text([f"a {pair.labels[1]}"])[0].cpu() for name, encoder in encoders.items()}
        ways = {name: slerp(ends[0], texts[name], POINTS) for name, ends in pair.pictures.items()}
        found[WORDS] = _map(trained, pair, ways)
    return found


def _map(trained: TrainedRun, pair: Pair, pictures: Mapping[str, Tensor]) -> Tensor:
    """Targets (P, N x D) of embedded pictures (P, D) by encoder."""
    frames = {name: one[:, None] for name, one in pictures.items()}
    count = len(next(iter(frames.values())))
    own = generators([clip_seed(trained.mapper.seed, pair.clip_ids[0])] * count)
    sole = frames.get(SOLE)
    return trained.mapper.sample(frames if sole is None else sole, generator=own).flatten(1)


def _item(trained: TrainedRun, pair: Pair, way: str, waveforms: Tensor) -> Item:
    shown = pair.clip_ids[: 1 if way == WORDS else 2]
    frames = [uri for clip_id in shown for uri in _middle_frame(trained, clip_id)]
    end = f"the words “a {pair.labels[1]}”" if way == WORDS else pair.labels[1]
    titles = {f"{point + 1} of {POINTS}": waveform.numpy() for point, waveform in enumerate(waveforms)}
    return Item(f"{pair.labels[0]} → {end}", players(titles, trained.generator.sample_rate), frames, " ".join(shown))


def _middle_frame(trained: TrainedRun, clip_id: str) -> list[str]:
    """The frame in the middle, as a URI; nothing when the file has gone."""
    try:
        frames = read_frames(trained.data.source(clip_id), FrameSpec(4 / trained.seconds, trained.seconds))
    except MediaError:
        return []
    return strip_uris(frames[len(frames) // 2][None], 1)


def _table(study_runs: StudyRuns, results: Sequence[Result]) -> Table:
    middle = POINTS // 2
    # At the first point and the last, one of the two cosines is 1.
    places = {
        "last, point 1": (0, 1),
        f"first, point {middle}": (middle - 1, 0),
        f"last, point {middle}": (middle - 1, 1),
    }
    values = [*(_cosine(*place) for place in places.values()), largest_step]
    pairs = max(len(found) for result in results for found in result.values())
    missing = [f"{WORDS}: not every encoder of frames has a text tower"] if WORDS not in results[0] else []
    return study_runs.table(
        f"Cosine of a point's sound with the first point's or the last's, in CLAP's space ({study_runs.about}, "
        f"{pairs} pair{'s' * (pairs != 1)} of pictures). {OVER_SEEDS}",
        ["Way", *(f"to the {name}" for name in places), "Largest step ↓"],
        [[way, *(_over_seeds(results, way, value) for value in values)] for way in WAYS if way in results[0]],
        "Largest step: the part of the whole change from first to last sound that happens between two neighbours; "
        f"{1 / (POINTS - 1):.2f} when even, 1 when the sound jumps.",
        *missing,
    )


def _over_seeds(results: Sequence[Result], way: str, value: Callable[[Points], float]) -> Summary:
    """A value of every pair, its mean over pairs for each training."""
    return summarise([sum(map(value, result[way])) / len(result[way]) for result in results])


def _cosine(point: int, end: int) -> Callable[[Points], float]:
    """That of one point's sound with the first (0) or the last (1)."""
    return lambda points: points[point][end]


def largest_step(points: Points) -> float:
    """Of all losses of similarity with the first sound on the way, the largest one's part; points: (POINTS, 2)."""
    steps = [max(0.0, one[0] - other[0]) for one, other in itertools.pairwise(points)]
    return max(steps) / max(sum(steps), 1e-9)


def _draw(study_runs: StudyRuns, results: Sequence[Result]) -> Attachment:
    figure, panels = new_panels(len(results[0]), 2.8)
    for panel, way in zip(panels, results[0], strict=True):
        for end, label in enumerate(("first", "last")):
            points = {1.0 + point: _over_seeds(results, way, _cosine(point, end)) for point in range(POINTS)}
            draw_curve(panel, points, f"to the {label} sound", end)
        panel.set_title(way, loc="left", fontsize=10)
        panel.set_xlabel("point", fontsize=8)
        panel.set_ylabel("cosine of sounds", fontsize=8)
        panel.legend(frameon=False, fontsize=7)
    return study_runs.attach(figure, f"({study_runs.about}; bands: 95 % interval over seeds)")
