"""Pictures and clips of the miniature world to begin with, drawn when the demo starts."""

from pathlib import Path

from PIL import Image

from v2a_lightning.media import write_clip
from v2a_lightning.miniature.world.pictures import frames_in_view, paint
from v2a_lightning.miniature.world.scenes import FRAMES_PER_SECOND, ClipDescription, describe_clip

PICTURES = ("dog", "bell", "rain", "helicopter")
CLIPS = ("car", "siren")
# Of world 0's test clips, which none of the miniature's models has seen.
WORLD = 0
SMALLEST_VIEW = 16
"""Frames of a clip in which its thing is in view; of 20."""


def write_examples(folder: Path) -> dict[str, Path]:
    """Draw the examples into a folder, each as a picture and some as clips; gives their files by title."""
    for name in (*PICTURES, *CLIPS):
        clip = _clip_of(name)
        frames = paint(clip)
        Image.fromarray(frames[frames_in_view(clip)[0]]).save(folder / f"{name}.png")
        if name in CLIPS:
            write_clip(folder / f"{name}.mp4", frames, FRAMES_PER_SECOND, None)
    pictures = {name: folder / f"{name}.png" for name in PICTURES}
    return {**pictures, **{f"{name} (video)": folder / f"{name}.mp4" for name in CLIPS}}


def _clip_of(event: str) -> ClipDescription:
    """The first test clip that shows one event alone, and for most of the time."""
    index = 0
    while True:
        clip = describe_clip(WORLD, "test", index)
        if clip.event == event and len(clip.scenes) == 1 and len(frames_in_view(clip)) >= SMALLEST_VIEW:
            return clip
        index += 1
