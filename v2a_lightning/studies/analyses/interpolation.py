"""Ten points on the way from one picture to another, or towards a word, made into sound."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.media import MediaError, read_frames, write_waveform
from v2a_lightning.randomness import clip_seed, generators
from v2a_lightning.reports.charts import draw_curve, new_panels
from v2a_lightning.reports.pages import Item, Section, players, strip_uris, write_sounds_page
from v2a_lightning.reports.tables import Table
from v2a_lightning.specs import FrameSpec
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.run import Attachment, Finding, StudyRuns
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.tables import OVER_SEEDS
from v2a_lightning.studies.trained_runs import TrainedRun, cached_json, copy_into, open_run

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


def interpolate_pictures(study_runs: StudyRuns) -> list[Finding]:
    """How sounds leave the start's and near the end's, over trainings; with the page of the first one."""
    trainings = study_runs.trainings()
    if not trainings:
        return [Table("table", study_runs.study.title, ["Way"], [], study_runs.failure_notes())]
    results = [_cached_result(run, study_runs) for run in trainings]
    page = copy_into(study_runs.folder, trainings[0].folder / PAGE)
    findings: list[Finding] = [_table(study_runs, results), _draw(study_runs, results)]
    return [*findings, Attachment(page, "Pictures, words and sounds on the way")]


def _cached_result(run: Run, study_runs: StudyRuns) -> Result:
    pairs = TINY_PAIRS if study_runs.options.size == "tiny" else PAIRS
    settings, file = {"pairs": pairs, "points": POINTS}, run.folder / "interpolation.json"
    found = cached_json(file, lambda: _generate(run, study_runs, pairs), settings, [run.folder / PAGE])
    return {way: found[way] for way in WAYS}


def _generate(run: Run, study_runs: StudyRuns, count: int) -> Result:
    """Cosines with the first and the last sound, by way, pair and point; wavs and the page are written beside."""
    trained = open_run(run)
    rate = trained.generator.sample_rate
    found: Result = {way: [] for way in WAYS}
    items: dict[str, list[Item]] = {way: [] for way in WAYS}
    for index, pair in enumerate(choose_pairs(list(trained.batches()), count)):
        for way, embeddings in _embeddings(trained, pair).items():
            seeds = [clip_seed(trained.mapper.seed, pair.clip_ids[0])] * len(embeddings)
            waveforms = trained.generate(embeddings, seeds)
            for point, waveform in enumerate(waveforms):
                name = f"{index}-{way.replace(' ', '-')}-{point:02d}.wav"
                write_waveform(run.folder / SOUNDS / name, waveform.numpy(), rate)
            features = trained.data.encoders.clap.encode_audio(waveforms, rate).cpu()
            found[way].append((features @ features[[0, -1]].T).tolist())
            items[way].append(_item(trained, pair, way, waveforms))
    sections = [Section(way[0].upper() + way[1:], items[way], WAYS[way]) for way in WAYS]
    write_sounds_page(run.folder / PAGE, study_runs.study.title, study_runs.study.question, study_runs.label, sections)
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


def _embeddings(trained: TrainedRun, pair: Pair) -> dict[str, Tensor]:
    """CLAP embeddings (POINTS, D) by way. All points of a way share their noise, so that only the place changes."""
    text = trained.data.encoders.encoder.encode_text([f"a {pair.labels[1]}"])[0].cpu()
    start, end = pair.pictures
    mapped = _map(trained, pair, pair.pictures)
    return {
        BEFORE: _map(trained, pair, slerp(start, end, POINTS)),
        AFTER: slerp(mapped[0], mapped[1], POINTS),
        WORDS: _map(trained, pair, slerp(start, text, POINTS)),
    }


def _map(trained: TrainedRun, pair: Pair, pictures: Tensor) -> Tensor:
    own = generators([clip_seed(trained.mapper.seed, pair.clip_ids[0])] * len(pictures))
    return trained.mapper.sample(pictures[:, None], generator=own).flatten(1)


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
    return Table(
        name="table",
        caption=f"Cosine of a point's sound with the first point's or the last's, in CLAP's space ({study_runs.about}, "
        f"{pairs} pair{'s' * (pairs != 1)} of pictures). {OVER_SEEDS}",
        columns=["Way", *(f"to the {name}" for name in places), "Largest step ↓"],
        rows=[[way, *(_over_seeds(results, way, value) for value in values)] for way in WAYS],
        notes=[
            "Largest step: the part of the whole change from first to last sound that happens between two neighbours; "
            f"{1 / (POINTS - 1):.2f} when even, 1 when the sound jumps.",
            *study_runs.failure_notes(),
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


def _draw(study_runs: StudyRuns, results: Sequence[Result]) -> Attachment:
    figure, panels = new_panels(len(WAYS), 2.8)
    for panel, way in zip(panels, WAYS, strict=True):
        for end, label in enumerate(("first", "last")):
            means = [_over_seeds(results, way, _cosine(point, end)) for point in range(POINTS)]
            points = {1.0 + point: mean.interval for point, mean in enumerate(means) if mean is not None}
            if points:
                draw_curve(panel, points, f"to the {label} sound", end)
        panel.set_title(way, loc="left", fontsize=10)
        panel.set_xlabel("point", fontsize=8)
        panel.set_ylabel("cosine of sounds", fontsize=8)
        panel.legend(frameon=False, fontsize=7)
    return study_runs.attach(figure, f"({study_runs.about}; bands: 95 % interval over seeds)")
