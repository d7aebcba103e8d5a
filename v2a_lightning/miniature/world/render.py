"""Rendering the miniature world to a folder in VGGSound's form."""

import csv
import hashlib
import io
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import atomic_write, path_of_id
from v2a_lightning.json_files import read_json, write_json
from v2a_lightning.media.writing import write_clip
from v2a_lightning.miniature.world.events import EVENT_NAMES
from v2a_lightning.miniature.world.pictures import frames_in_view, paint
from v2a_lightning.miniature.world.scenes import (
    FRAMES_PER_SECOND,
    SAMPLE_RATE,
    WORLD_VERSION,
    ClipDescription,
    describe_clip,
)
from v2a_lightning.miniature.world.sounds import synthesise
from v2a_lightning.processes import spawned_processes
from v2a_lightning.progress import progress

TEST_SHARE = 0.15
OOD_SHARE = 0.1
"""Clips drawn in another style, in parts of all others, which they come on top of."""
STILL_IMAGES = 101
"""As many as ImageHear has: three or four of each class."""

FEW_CLIPS = 24
"""Below this many, starting processes takes longer than rendering."""


@dataclass(frozen=True)
class RenderedWorld:
    """A world on disk: how many clips it has (those out of domain included), and how many were rendered now."""

    output: Path
    clips: int
    rendered: int
    seconds: float


def plan_world(clips: int, seed: int) -> list[ClipDescription]:
    """What is in a world of `clips` clips: train and test clips, then those out of domain (a tenth as many more)."""
    test = round(TEST_SHARE * clips)
    counts = {"train": clips - test, "test": test, "ood": round(OOD_SHARE * clips)}
    return [describe_clip(seed, split, index) for split, count in counts.items() for index in range(count)]


def render_world(
    output: Path | str, clips: int, seed: int = 0, workers: int | None = None
) -> RenderedWorld:
    """Render a world into a folder, going on where an earlier call was stopped.

    Writes clips/<clip id>.mp4 (H.264, AAC stereo), vggsound.csv and ood.csv (VGGSound's form: id, start, label, split,
    no header), attributes.jsonl (what is in each clip) and imagehear/<class><number>.jpg. A class of several words is
    written with spaces, as in the csv. Out-of-domain clips come on top of `clips`; `workers` are processes.

    UsageError for a folder that holds another world, RunFailure when a process was killed or the disk is full.
    """
    if clips < 1:
        raise UsageError(f"--clips is {clips}; a world has at least 1")
    output = Path(output)
    begin = time.monotonic()
    world = plan_world(clips, seed)
    attributes = "".join(json.dumps(clip.as_dict()) + "\n" for clip in world)
    try:
        _claim(output, clips, seed, attributes)
        pending = [clip for clip in world if not clip_path(output, clip).exists()]
        results = _render_all(output, pending, workers)
        with progress("rendering", len(pending)) as advance:
            for _ in results:
                advance(1)
        _write_side_files(output, world, attributes, seed)
    except BrokenProcessPool as error:
        raise RunFailure("a rendering process was killed; the same command goes on where it stopped") from error
    except OSError as error:
        raise RunFailure(f"{output}: cannot write ({error.strerror}); the same command goes on there") from error
    return RenderedWorld(output, len(world), len(pending), time.monotonic() - begin)


def clip_path(output: Path, clip: ClipDescription) -> Path:
    """Where a clip of a world is written."""
    return path_of_id(output / "clips", clip.clip_id, ".mp4")


def _render_all(output: Path, pending: Sequence[ClipDescription], workers: int | None) -> Iterator[None]:
    render = partial(_render_clip, output)
    if workers == 1 or len(pending) < FEW_CLIPS:
        yield from map(render, pending)
        return
    with spawned_processes(workers) as pool:
        yield from pool.map(render, pending, chunksize=4)


def _render_clip(output: Path, clip: ClipDescription) -> None:
    write_clip(clip_path(output, clip), paint(clip), FRAMES_PER_SECOND, synthesise(clip).T, SAMPLE_RATE)


def _claim(output: Path, clips: int, seed: int, attributes: str) -> None:
    """Mark the folder as this world's, or refuse it as another one's."""
    marker = output / "world.json"
    digest = hashlib.sha256(attributes.encode()).hexdigest()
    mine: dict[str, object] = {"seed": seed, "clips": clips, "version": WORLD_VERSION, "attributes_sha256": digest}
    if not marker.exists():
        write_json(marker, mine, indent=2)
    theirs = read_marker(marker)
    if other := next((key for key in mine if theirs.get(key) != mine[key]), None):
        difference = f"{other} {theirs.get(other)} where {mine[other]} is asked for"
        raise UsageError(f"--output {output} holds another world ({difference}); remove it or name another folder")


def read_marker(marker: Path) -> dict[str, object]:
    """Which world a folder holds, as its `world.json` says; UsageError when it says nothing of the kind."""
    content: dict[str, object] = read_json(marker, dict, "marker of a world: remove the folder or name another")
    return content


def _write_side_files(output: Path, world: Sequence[ClipDescription], attributes: str, seed: int) -> None:
    _write_csv(output / "ood.csv", [clip for clip in world if clip.split == "ood"])
    with atomic_write(output / "attributes.jsonl") as temporary:
        temporary.write_text(attributes)
    for number in range(STILL_IMAGES):
        _write_still(output / "imagehear", seed, number)
    # Last, since a folder with its csv is taken for a whole world.
    _write_csv(output / "vggsound.csv", [clip for clip in world if clip.split != "ood"])


def _write_csv(path: Path, clips: Sequence[ClipDescription]) -> None:
    """VGGSound's csv. Clips out of domain are there to be tested on, and so are of the split "test"."""
    with atomic_write(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for clip in clips:
            writer.writerow([clip.youtube_id, clip.start, clip.label, "test" if clip.split == "ood" else clip.split])


def _write_still(folder: Path, seed: int, number: int) -> None:
    event = EVENT_NAMES[number % len(EVENT_NAMES)]
    path = folder / f"{event}{number // len(EVENT_NAMES) + 1}.jpg"
    if path.exists():
        return
    clip = describe_clip(seed, "imagehear", number)
    picture = paint(clip)[frames_in_view(clip, scene=0)[0]]
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=95)
    with atomic_write(path) as temporary:
        # Pillow takes what a full disk wrote of a part for all of it.
        temporary.write_bytes(content.getvalue())
