"""Pictures and clips of the miniature world to begin with, drawn when the demo starts."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from PIL import Image

from v2a_lightning.media import write_clip
from v2a_lightning.miniature.world.pictures import frames_in_view, paint
from v2a_lightning.miniature.world.scenes import FRAMES_PER_SECOND, ClipDescription, describe_clip

# What is seen, and whether as a clip.
EXAMPLES = {"dog": False, "bell": False, "rain": False, "helicopter": False, "car": True, "siren": True}
# Of world 0's test clips, which none of the miniature's models has seen.
WORLD = 0
# Frames of a clip in which its thing is in view; of 20.
SMALLEST_VIEW = 16


@dataclass(frozen=True)
class Example:
    """A file, and the picture that stands for it."""

    title: str
    picture: Path
    file: Path


def write_examples(folder: Path) -> list[Example]:
    """Draw the examples into a folder."""
    examples = []
    for name, moves in EXAMPLES.items():
        clip = _clip_of(name)
        frames, picture, file = paint(clip), folder / f"{name}.png", folder / f"{name}.{'mp4' if moves else 'png'}"
        Image.fromarray(frames[frames_in_view(clip)[0]]).save(picture)
        if moves:
            write_clip(file, frames, FRAMES_PER_SECOND, None)
        examples.append(Example(f"{name} (video)" if moves else name, picture, file))
    return examples


def _clip_of(event: str) -> ClipDescription:
    """The first test clip that shows one event alone, and for most of the time."""
    clips = (describe_clip(WORLD, "test", index) for index in count())
    fitting = (clip for clip in clips if clip.event == event and len(clip.scenes) == 1)
    return next(clip for clip in fitting if len(frames_in_view(clip)) >= SMALLEST_VIEW)
