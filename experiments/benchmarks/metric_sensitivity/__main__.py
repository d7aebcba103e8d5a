"""Measure, and write the tables of EVALUATION.md."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from experiments.benchmarks.metric_sensitivity import conventions
from experiments.benchmarks.metric_sensitivity.distortions import add_noise, distortions, response, responses
from v2a_lightning.app.cli import run_command
from v2a_lightning.distances import frechet_distance
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.catalogue import CATALOGUE, CLASSES
from v2a_lightning.evaluation.features import Waveform
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.generators import AudioLDM
from v2a_lightning.miniature.check import HeldOut
from v2a_lightning.miniature.world.scenes import SAMPLE_RATE
from v2a_lightning.miniature.world.sounds import synthesise
from v2a_lightning.reports.tables import write_section

DOCUMENT = Path(__file__).parents[3] / "docs" / "EVALUATION.md"
BATCH = 8
LADDER = ("fd", "fad", "kad", "kl", "is", "cs")
ORDERED = ("fd", "fad")
Part = Literal["catalogue", "responses", "conventions", "order", "speed"]


def measure(
    parts: list[Part] | None = None,
    per_event: int = 3,
    mapper: str | None = None,
    document: str = str(DOCUMENT),
) -> None:
    """Measure the parts and write each between its markers in the document.

    Args:
        parts: what to measure; all, but "order" only with a mapper.
        per_event: held-out miniature clips of each of the 28 events.
        mapper: checkpoint of a mapper that experiments/quickstart.yaml trained, for "order".
        document: the Markdown file to write into.
    """
    every: list[Part] = ["catalogue", "responses", "conventions", "speed", "order"]
    chosen = parts or (every if mapper else every[:-1])
    if "order" in chosen and mapper is None:
        raise UsageError("--parts order needs --mapper")
    with TemporaryDirectory() as folder:
        clips = Clips(per_event, Path(folder))
        writers: dict[str, Callable[[], str]] = {
            "catalogue": catalogue,
            "responses": lambda: _responses(clips),
            "conventions": lambda: _conventions(clips),
            "speed": _speed,
            "order": lambda: _order(clips, str(mapper)),
        }
        for part in chosen:
            write_section(part, writers[part](), Path(document))
            print(f"{part}: written to {document}")


@dataclass(frozen=True)
class Clips:
    """Held-out miniature clips, and a suite that keeps what it has heard."""

    per_event: int
    folder: Path

    @cached_property
    def held_out(self) -> HeldOut:
        return HeldOut(self.per_event)

    @cached_property
    def stereo(self) -> list[np.ndarray]:
        return [synthesise(clip) for clip in self.held_out.clips]

    @cached_property
    def waveforms(self) -> list[Waveform]:
        return [stereo.mean(0) for stereo in self.stereo]

    @cached_property
    def frames(self) -> list[Tensor]:
        return list(self.held_out.frame_embeddings(ClipEncoder()))

    @property
    def texts(self) -> list[str]:
        return [clip.event for clip in self.held_out.clips]

    @cached_property
    def suite(self) -> EvaluationSuite:
        return EvaluationSuite(clap="miniature", cache=self.folder)

    @property
    def clip_ids(self) -> list[str]:
        return [clip.clip_id for clip in self.held_out.clips]

    @property
    def note(self) -> str:
        return f"Miniature, {len(self.waveforms)} held-out clips of 2.56 s, the miniature's extractors."


def catalogue() -> str:
    """The catalogue as a table."""
    rows = []
    for name, number in CATALOGUE.items():
        needs = ", ".join(f"{given}: {feature}" for given, feature in CLASSES[name].needs.items())
        rows.append([f"`{name}`", number.heading, needs, number.formula.replace("|", "\\|")])
    return _markdown(["name", "title", "needs", "formula"], rows)


def _responses(clips: Clips) -> str:
    pieces = [clips.note]
    for distortion in distortions(SAMPLE_RATE):
        table = responses(clips.suite, distortion, clips.clip_ids, clips.waveforms, clips.frames, clips.texts)
        rows = [
            [_title(name), *(f"{value:.3g}" for value in values), response(name, values)]
            for name, values in table.items()
        ]
        pieces.append(f"**{distortion.title}**\n\n{_markdown(['metric', 'none', *distortion.doses, 'response'], rows)}")
    return "\n\n".join(pieces)


def _conventions(clips: Clips) -> str:
    usual, *others = conventions.readings(SAMPLE_RATE).items()
    own = [usual[1](stereo) for stereo in clips.stereo]
    rows = [[name, *_distances(clips, [read(stereo) for stereo in clips.stereo], own)] for name, read in others]
    headings = ["same sounds, but", *(CATALOGUE[name].title for name in ("fd", "fad", "kad", "kl"))]
    reading = (
        f"How far the true sounds are from themselves when they are read another way:\n\n{_markdown(headings, rows)}"
    )
    usual, *others = conventions.resamplings().items()
    own = [usual[1](waveform) for waveform in clips.waveforms]
    rows = [
        [name, *_distances(clips, [halve(waveform) for waveform in clips.waveforms], own)] for name, halve in others
    ]
    title = "The same samples taken for 32 kHz recordings, brought to 16 kHz another way than by soxr HQ:"
    resampling = f"{title}\n\n{_markdown(headings, rows)}"
    return "\n\n".join([clips.note, reading, resampling, _formulas(clips)])


def _formulas(clips: Clips) -> str:
    suite = EvaluationSuite(conventions.METRICS, cache=clips.folder)
    noisy = [add_noise(waveform, 10.0) for waveform in clips.waveforms]
    _add(suite, clips, noisy)
    rows = [
        [metric, ours, f"{value:.4g}", theirs, f"{other:.4g}"]
        for metric, ours, value, theirs, other in conventions.formulas(suite.records())
    ]
    mean, largest = conventions.batch_dependence("miniature", noisy, clips.frames, BATCH)
    table = _markdown(["metric", "here", "value", "elsewhere", "value"], rows)
    change = f"by {mean:.2f} on average and {largest:.2f} at most"
    batches = f"Wav2CLIP standardised over batches of {BATCH} clips moves a clip's score {change}."
    return f"The true sounds with noise at 10 dB against the true sounds, one choice changed:\n\n{table}\n\n{batches}"


def _order(clips: Clips, mapper: str) -> str:
    from v2a_lightning.module import V2AMapper
    from v2a_lightning.randomness import generators

    model, audioldm = V2AMapper.from_pretrained(mapper), AudioLDM(steps=25)
    frames, seeds = torch.stack(clips.frames), clips.held_out.seeds()
    mask = torch.ones(frames.shape[:2], dtype=torch.bool)
    with torch.inference_mode():
        embeddings = {
            "true CLAP embedding": ClapEncoder().encode_audio(clips.held_out.waveforms, SAMPLE_RATE),
            "mapper": model.sample(frames, mask, generator=generators(seeds)),
            "CLIP embedding, no mapper": torch.nn.functional.normalize(frames.mean(1), dim=-1),
        }
        systems = {"true sound": clips.waveforms}
        for name, embedding in embeddings.items():
            made = [
                audioldm.generate(part, seconds=2.56, seeds=some)
                for part, some in zip(embedding.split(16), _parts(seeds, 16), strict=True)
            ]
            systems[name] = list(torch.cat(made).cpu().numpy())
    table: dict[str, dict[str, float]] = {}
    for name, waveforms in systems.items():
        clips.suite.reset()
        _add(clips.suite, clips, waveforms)
        table[name] = {metric: score.value for metric, score in clips.suite.scores().found.items()}
    rows = [[name, *(f"{values[metric]:.4g}" for metric in LADDER)] for name, values in table.items()]
    headings = ["sound from", *(_title(name) for name in LADDER)]
    orders = " ".join(_order_in_words(metric, [values[metric] for values in table.values()]) for metric in ORDERED)
    return f"{clips.note}\n\n{_markdown(headings, rows)}\n\n{orders}"


def _order_in_words(metric: str, values: Sequence[float]) -> str:
    grows = all(first < second for first, second in pairwise(values))
    return f"{CATALOGUE[metric].title} {'grows' if grows else 'does not grow'} from each row to the next."


def _speed() -> str:
    rows = []
    for count in (100, 15_446):
        random = torch.Generator().manual_seed(0)
        first, second = (torch.randn(count, 2048, generator=random, dtype=torch.float64) for _ in range(2))
        began = time.process_time()
        value = frechet_distance(first, second)
        fast = time.process_time() - began
        began = time.process_time()
        other = _by_matrix_root(first.numpy(), second.numpy())
        slow = time.process_time() - began
        apart = abs(value - other) / other
        rows.append([f"{count:,}", f"{fast:.3f} s", f"{slow:.1f} s", f"{slow / fast:.1f}", f"{apart:.0e}"])
    headings = ["samples of 2,048", "here", "scipy.linalg.sqrtm", "times as fast", "relative difference"]
    return f"CPU seconds on one core, double precision, covariances included.\n\n{_markdown(headings, rows)}"


def _by_matrix_root(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.linalg import sqrtm

    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    difference = first.mean(0) - second.mean(0)
    return float(difference @ difference + np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b)).real)


def _add(suite: EvaluationSuite, clips: Clips, waveforms: Sequence[Waveform]) -> None:
    for clip_id, sound, own, frames in zip(clips.clip_ids, waveforms, clips.waveforms, clips.frames, strict=True):
        suite.add(clip_id, (sound, SAMPLE_RATE), (own, SAMPLE_RATE), frames)


def _distances(clips: Clips, heard: Sequence[Waveform], usual: Sequence[Waveform]) -> list[str]:
    return [f"{value:.3g}" for value in conventions.distances(clips.suite, heard, usual, SAMPLE_RATE).values()]


def _parts(items: Sequence[int], size: int) -> list[Sequence[int]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _title(name: str) -> str:
    return CATALOGUE[name].heading


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    run_command(measure, sys.argv[1:], "python -m experiments.benchmarks.metric_sensitivity")
