"""Whether sounds follow the text: `python -m experiments.benchmarks.text_steering CHECKPOINT` writes docs/results.

Each of the miniature's held-out clips is steered with the text of another event, and away from its own. The referee,
which learned true sounds only, says whose sound it hears.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import torch

from v2a_lightning.miniature.check import FRAMES, PROMPTS, HeldOut
from v2a_lightning.miniature.referee import load_referee
from v2a_lightning.miniature.world.events import EVENT_NAMES
from v2a_lightning.miniature.world.pictures import paint
from v2a_lightning.miniature.world.scenes import FRAMES_PER_SECOND
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.steering import NEGATIVE_STRENGTH, STRENGTH, Space

RESULTS = Path(__file__).parents[2] / "docs" / "results"
STRENGTHS = (0.25, 0.4, 0.5, 0.6, 0.75, 1.0)
NEGATIVE_STRENGTHS = (0.25, 0.5, 1.0, 2.0)
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
caption of the picture's own event as negative text. The defaults are {strength} for the text and {negative} for the
negative one, in {space}'s space.

{table}
"""


def main(checkpoint: str) -> None:
    """Generate, have the referee listen, and write the table."""
    held_out = HeldOut(PER_EVENT)
    numbers = [int(time * FRAMES_PER_SECOND) for time in FRAMES.times]
    frames = [paint(clip)[numbers] for clip in held_out.clips]
    pipeline, referee = V2APipeline.from_pretrained(checkpoint), load_referee()
    other = (held_out.events + SHIFT) % len(EVENT_NAMES)
    rows = []
    for label, options in _settings(held_out.events.tolist(), other.tolist()):
        named = referee(torch.cat(pipeline(frames, num_inference_steps=STEPS, **options))).argmax(-1)
        shares = [float((named == events).float().mean()) for events in (held_out.events, other)]
        rows.append([*label, *(f"{share:.2f}" for share in (*shares, 1 - sum(shares)))])
        print(*rows[-1], flush=True)
    _write(rows, len(frames))


def _settings(own: Sequence[int], other: Sequence[int]) -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
    texts, own_texts = ([PROMPTS[event] for event in events] for events in (other, own))
    yield ("none", "", "0"), {}
    for space in get_args(Space):
        for strength in STRENGTHS:
            options = {"prompt": texts, "prompt_space": space, "prompt_strength": strength}
            yield ("text", space, f"{strength:g}"), options
        for strength in NEGATIVE_STRENGTHS:
            negative = {"negative_prompt": own_texts, "negative_strength": strength}
            mixed = {"prompt": texts, "prompt_space": space, "prompt_strength": MIXED}
            yield ("negative", space, f"{strength:g}"), {**mixed, **negative}


def _write(rows: list[list[str]], clips: int) -> None:
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
        space="CLAP",
        table="\n".join(f"| {line} |" for line in lines),
    )
    (RESULTS / "text-steering.md").write_text(page)


if __name__ == "__main__":
    main(sys.argv[1])
