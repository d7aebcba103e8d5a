"""All classes of the miniature world on one sheet, for a person to look at."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from v2a_lightning.files import atomic_write
from v2a_lightning.miniature.world.events import EVENT_NAMES
from v2a_lightning.miniature.world.pictures import paint
from v2a_lightning.miniature.world.scenes import PICTURE_SIZE, ClipDescription, Style, draw_scene

COLUMNS = 4
GAP, CAPTION = 4, 20
SEED = 5

VARIANTS: tuple[tuple[Style, float, float, int, int], ...] = (
    ("flat", 0.0, 0.2, 1, 9), ("flat", 0.5, 0.6, 3, 9), ("flat", 1.0, 1.0, 1, 9), ("flat", 1.0, 1.0, 1, 11),
    ("sketch", 0.75, 0.5, 1, 9),
)  # fmt: skip
"""Style, size, speed, count (where there may be several) and frame of the pictures of each class."""


def write_contact_sheet(path: Path | str) -> None:
    """Write a PNG with every class: small and slow, several of medium size, large and fast twice, and as a sketch."""
    width = len(VARIANTS) * PICTURE_SIZE + 3 * GAP
    height = PICTURE_SIZE + CAPTION + GAP
    rows = -(-len(EVENT_NAMES) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width + GAP, rows * height + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for number, event in enumerate(EVENT_NAMES):
        left, top = GAP + number // rows * width, GAP + number % rows * height
        pen.text((left, top), event, "black", font)
        sheet.paste(_strip(event, number), (left, top + CAPTION))
    with atomic_write(path) as temporary:
        sheet.quantize(256).save(temporary, optimize=True)


def _strip(event: str, number: int) -> Image.Image:
    pictures = []
    for variant, (style, size, speed, count, frame) in enumerate(VARIANTS):
        # Two frames of one clip stand side by side, so those have to be of the same scene.
        scene = draw_scene(event, np.random.default_rng([SEED, number, min(variant, 2)]))
        count = count if scene.kind.countable else 1
        scene = replace(scene, size=size, speed=speed, count=count, visible_from=0.0, visible_to=1.0)
        pictures.append(paint(ClipDescription("sheet_000000", "train", style, event, (scene,), 1.0))[frame])
    return Image.fromarray(np.concatenate(pictures, axis=1))
