"""Whether sounds follow the text: `python -m experiments.benchmarks.text_steering CHECKPOINT` writes docs/results.

Each of the miniature's held-out clips is steered with the text of another event, and away from its own. The referee,
which learned true sounds only, says whose sound it hears.
"""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from v2a_lightning.encoders import ClipEncoder
from v2a_lightning.miniature.check import PROMPTS, HeldOut
from v2a_lightning.miniature.referee import load_referee
from v2a_lightning.miniature.world.events import EVENT_NAMES
from v2a_lightning.miniature.world.scenes import DURATION
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.randomness import clip_seed, generators
from v2a_lightning.steering import NEGATIVE_STRENGTH, STRENGTH, Space, Steering

RESULTS = Path(__file__).parents[2] / "docs" / "results"
STRENGTHS = (0.4, 0.5, 0.6, 0.75, 1.0)
NEGATIVE_STRENGTHS = (0.5, 1.0)
MIXED = 0.5
PER_EVENT = 1
STEPS = 10
# From a picture's event to that of the text; both of any family.
SHIFT = 11
COLUMNS = ("steering", "space", "strength", "the picture's event", "the text's event", "another")
PAGE = """# Steering with text

Written by `python -m experiments.benchmarks.text_steering CHECKPOINT` into this page and `text-steering.csv`: the
quickstart's checkpoint, {clips} held-out clips of the miniature, one sound each in {steps} steps, the same noise in
every row. Numbers are shares of the sounds; by chance each would be {chance:.2f}. One training and one world: one
clip more or less is {one:.2f}, and a few of these say nothing.

"text": the caption of another event (such as "{text}" for a picture of a {picture}), mixed on the sphere in
CLIP's space, before the mapper, or in CLAP's, after it. "negative": that caption at a strength of {mixed}, and the
caption of the picture's own event as negative text, at the strength of the row. The defaults are {strength} for the
text and {negative} for the negative one, in the space "{space}".

{table}
"""


def main(checkpoint: str) -> None:
    """Generate, have the referee listen, and write the table."""
    held_out = HeldOut(PER_EVENT)
    bench = Bench(V2APipeline.from_pretrained(checkpoint), held_out)
    rows = []
    for label, steering in settings():
        rows.append([*label, *bench.shares(steering)])
        print(*rows[-1], flush=True)
        write(rows, len(held_out.clips))


def settings() -> Iterator[tuple[tuple[str, str, str], Steering]]:
    """Each row's label, and how sounds are steered; the texts are put in for each clip."""
    yield ("none", "", "0"), Steering()
    for space in get_args(Space):
        for strength in STRENGTHS:
            yield ("text", space, f"{strength:g}"), Steering("its", strength=strength, space=space)
    for space in get_args(Space):
        for strength in NEGATIVE_STRENGTHS:
            options = {"strength": MIXED, "negative_strength": strength, "space": space}
            yield ("negative", space, f"{strength:g}"), Steering("its", "its", **options)


class Bench:
    """Held-out clips, whose sounds the referee names.

    Args:
        pipeline: makes the sounds.
        held_out: the clips.
    """

    def __init__(self, pipeline: V2APipeline, held_out: HeldOut) -> None:
        self.pipeline, self.referee, self.own = pipeline, load_referee(), held_out.events
        self.other = (self.own + SHIFT) % len(EVENT_NAMES)
        self.encoder = pipeline.encoder
        assert isinstance(self.encoder, ClipEncoder)
        self.frames = held_out.frame_embeddings(self.encoder)
        self.seeds = [clip_seed(0, str(index)) for index in range(len(self.own))]

    @torch.inference_mode()
    def shares(self, steering: Steering) -> list[str]:
        """Of the sounds in which the referee names the picture's event, the text's, and another."""
        frames = self._steered(self.frames, steering, "clip", self.encoder.encode_text)
        targets = self.pipeline.mapper.sample(frames, generator=generators(self.seeds))
        targets = self._steered(targets, steering, "clap", self.pipeline.generator.target_of_text)
        sounds = self.pipeline.generator.generate(targets, seconds=DURATION, seeds=self.seeds, steps=STEPS)
        named = self.referee(sounds).argmax(-1)
        own, other = (float((named == events).float().mean()) for events in (self.own, self.other))
        return [f"{share:.2f}" for share in (own, other, 1 - own - other)]

    def _steered(
        self, rows: Tensor, steering: Steering, space: Space, encode: Callable[[Sequence[str]], Tensor]
    ) -> Tensor:
        if steering.space != space or not steering:
            return rows
        each = []
        for row, own, other in zip(rows, self.own, self.other, strict=True):
            negative = PROMPTS[own] if steering.negative else None
            each.append(replace(steering, text=PROMPTS[other], negative=negative).apply(row[None], encode))
        return torch.cat(each)


def write(rows: list[list[str]], clips: int) -> None:
    """Write the page and its table."""
    with (RESULTS / "text-steering.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    lines = [" | ".join(row) for row in (COLUMNS, ["---"] * len(COLUMNS), *rows)]
    page = PAGE.format(
        clips=clips,
        steps=STEPS,
        one=1 / clips,
        chance=1 / len(EVENT_NAMES),
        text=PROMPTS[SHIFT],
        picture=EVENT_NAMES[0],
        mixed=MIXED,
        strength=STRENGTH,
        negative=NEGATIVE_STRENGTH,
        space=Steering().space,
        table="\n".join(f"| {line} |" for line in lines),
    )
    (RESULTS / "text-steering.md").write_text(page)


if __name__ == "__main__":
    main(sys.argv[1])
