"""Whether the shipped miniature does what it is for: `python -m v2a_lightning miniature check`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.files import atomic_write
from v2a_lightning.generators import AudioLDM
from v2a_lightning.miniature import figures
from v2a_lightning.miniature.referee import Referee, accuracy, load_referee
from v2a_lightning.miniature.world.scenes import DURATION
from v2a_lightning.module import V2AMapper
from v2a_lightning.randomness import generators
from v2a_lightning.studies.readme import write_section

WEIGHTS = Path(__file__).parent / "weights"
VARIANTS = 6
"""Sounds made for one picture when their spread is measured."""


@dataclass(frozen=True)
class Figure:
    """One measured figure and its goal."""

    name: str
    value: float
    goal: float
    direction: Literal["at least", "at most"]

    @property
    def reached(self) -> bool:
        return self.value >= self.goal if self.direction == "at least" else self.value <= self.goal


def check(output: Path, mapper: Path, per_event: int = 12, seed: int = 0, update_cards: bool = False) -> int:
    """Measure every figure, print the table, write `check.json`, and tell whether all goals are reached.

    Args:
        output: folder for `check.json`.
        mapper: checkpoint of a mapper trained by experiments/quickstart.yaml, whose world is none of these clips'.
        per_event: held-out clips of each event.
        seed: of generation.
        update_cards: write the figures into the cards of the shipped weights and into README.md.

    Returns:
        0 when every figure reaches its goal, 1 when one misses it.
    """
    measured = measure(V2AMapper.from_pretrained(mapper), per_event, seed)
    rows = [{**asdict(figure), "reached": figure.reached} for figure in measured]
    with atomic_write(output / "check.json") as path:
        path.write_text(json.dumps({"clips": 28 * per_event, "seed": seed, "figures": rows}, indent=2) + "\n")
    if update_cards:
        _update_cards(measured)
        write_section("miniature", markdown(measured, 28 * per_event), Path("README.md"))
    _print(measured)
    return 0 if all(figure.reached for figure in measured) else 1


@torch.inference_mode()
def measure(mapper: V2AMapper, per_event: int, seed: int) -> list[Figure]:
    """All figures, on 28 x `per_event` held-out clips."""
    clips = figures.HeldOut(per_event)
    clip, clap, audioldm = ClipEncoder(), ClapEncoder(), AudioLDM(steps=25)
    judge = _Judge(load_referee(WEIGHTS / "referee"), clips.events)
    frames = clips.frame_embeddings(clip)
    mapped = _map(mapper, frames, clips.seeds(seed))
    from_mapper = _generate(audioldm, mapped, clips.seeds(seed))
    from_truth = _generate(audioldm, clap.encode_audio(clips.waves, 16_000), clips.seeds(seed))
    from_picture = _generate(audioldm, torch.nn.functional.normalize(frames.mean(1), dim=-1), clips.seeds(seed))
    return [
        judge("true sound, named by the referee", clips.waves, 0.98),
        judge("through autoencoder and vocoder", figures.resynthesised(audioldm, clips.waves), 0.95),
        judge("generated from true CLAP embeddings", from_truth, 0.90),
        judge("generated through the quickstart's mapper", from_mapper, 0.75),
        judge("generated from CLIP embeddings, no mapper", from_picture, 0.15, "at most"),
        Figure("CLIP names frames by caption", figures.pictures_named(clip, clips.clips), 0.90, "at least"),
        Figure("CLAP names sounds by caption", figures.sounds_named(clap, clips.waves, clips.events), 0.95, "at least"),
        Figure(
            "size heard as pitch, rank correlation",
            figures.size_heard_as_pitch(clips.clips, from_mapper),
            0.6,
            "at least",
        ),
        *_spread(mapper, clap, audioldm, clips, frames, seed),
    ]


@dataclass(frozen=True)
class _Judge:
    referee: Referee
    events: Tensor

    def __call__(
        self, name: str, waves: Tensor, goal: float, direction: Literal["at least", "at most"] = "at least"
    ) -> Figure:
        return Figure(name, accuracy(self.referee, waves, self.events), goal, direction)


def _spread(
    mapper: V2AMapper, clap: ClapEncoder, audioldm: AudioLDM, clips: figures.HeldOut, frames: Tensor, seed: int
) -> list[Figure]:
    """How much the sounds for one picture differ, made against true, on one clip of each event."""
    chosen = list(range(0, len(clips.clips), clips.per_event))
    seeds = [seed + 10_000 + index for index in range(len(chosen) * VARIANTS)]
    mapped = _map(mapper, frames[chosen].repeat_interleave(VARIANTS, 0), seeds)
    made = _generate(audioldm, mapped, seeds).unflatten(0, (len(chosen), VARIANTS))
    true = figures.true_variants([clips.clips[row] for row in chosen], VARIANTS, seed)
    ratio = figures.spread(clap, made) / figures.spread(clap, true)
    different = float((made[:, 0] - made[:, 1]).abs().amax(-1).min())
    return [
        Figure("least difference between two seeds' waves", different, 1e-3, "at least"),
        Figure("spread of one picture's sounds, made over true (low side)", ratio, 0.5, "at least"),
        Figure("spread of one picture's sounds, made over true (high side)", ratio, 2.0, "at most"),
    ]


def _map(mapper: V2AMapper, frames: Tensor, seeds: list[int]) -> Tensor:
    return mapper.sample(frames.float(), generator=generators(seeds)).flatten(1)


def _generate(audioldm: AudioLDM, embeddings: Tensor, seeds: list[int]) -> Tensor:
    return audioldm.generate(embeddings, seconds=DURATION, seeds=seeds)


def _print(measured: list[Figure]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure (miniature, held-out clips)", "value", "goal", "")
    for figure in measured:
        goal = f"{figure.direction} {figure.goal:g}"
        table.add_row(figure.name, f"{figure.value:.3f}", goal, "reached" if figure.reached else "MISSED")
    Console().print(table)


def markdown(measured: list[Figure], clips: int) -> str:
    """The table as README.md shows it."""
    rows = [f"| figure, on {clips} held-out clips of the miniature | value | goal | |", "|---|---|---|---|"]
    for figure in measured:
        word = "reached" if figure.reached else "**missed**"
        rows.append(f"| {figure.name} | {figure.value:.3f} | {figure.direction} {figure.goal:g} | {word} |")
    return "\n".join(rows)


def _update_cards(measured: list[Figure]) -> None:
    """Every card bears all figures: each of them hangs on more than one model."""
    for file in sorted(WEIGHTS.glob("*/card.json")):
        card = json.loads(file.read_text())
        card["figures"] = {figure.name: round(figure.value, 4) for figure in measured}
        with atomic_write(file) as path:
            path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
