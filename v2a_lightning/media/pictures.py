"""Pictures and animations as 8-bit RGB, read with Pillow, whatever their depth, colours, size and direction."""

import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.media.errors import MediaError
from v2a_lightning.media.kinds import picture_format

if TYPE_CHECKING:
    from PIL import Image

Frames = NDArray[np.uint8]

# Above this many pixels a picture leaves here reduced: only its short side's few hundred pixels are looked at.
REDUCED_PIXELS = 2**26
# Above this many pixels only a format that can be decoded reduced is read: the limit of Pillow's own.
MAXIMUM_PIXELS = 178_956_970
# Pictures are turned into RGB in strips of this many pixels, so that copies in between stay small.
STRIP_PIXELS = 2**24
# Browsers show the frames of an animation that ask for less for a tenth of a second.
SHORTEST_FRAME_SECONDS = 0.01
USUAL_FRAME_SECONDS = 0.1
# A picture of floats may go this far beyond its range, as resampled ones do.
OVERSHOOT = 0.01
# The brightest value of a picture is at least this share of its range; less, and nobody can tell which range it is.
BRIGHTEST_SHARE = 1 / 16

_ANIMATED_FORMATS = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
_BITS, _WHITE_IS_ZERO, _SAMPLE_FORMAT, _ORIENTATION = 258, 262, 339, 0x0112
# Pillow's readers meet damage with whatever their parsing runs into.
_PILLOW_ERRORS = (
    *(OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(RuntimeError, MemoryError, struct.error, zlib.error),
)


def is_picture(path: Path | str) -> bool:
    """Whether a file's content is one still picture; an animation is a video. MediaError when it cannot be read."""
    return picture_format(path) is not None and not is_animation(path)


def is_animation(path: Path | str) -> bool:
    """Whether a file is a GIF, PNG, WebP or AVIF of more than one frame. MediaError when it cannot be read."""
    if picture_format(path) not in _ANIMATED_FORMATS:
        return False
    try:
        with _open(path) as image:
            return _frame_count(image) > 1
    except MediaError:
        # Reading the picture says what is wrong with it.
        return False


def read_picture(path: Path | str) -> Frames:
    """Read a still picture upright, as uint8 RGB (1, H, W, 3).

    What is transparent is laid on white. Grey of 16 or 32 bits is scaled from its whole range, and floats from 0..1,
    0..255 or 0..65535, whichever holds them. A picture of more than 67 million pixels comes back reduced.

    Raises:
        MediaError: missing, or undecodable with what is wrong with the picture.
    """
    with _open(path) as image:
        pixels = _pixels(path, image)
        return np.ascontiguousarray(turned(pixels, *_orientation(image)))[None]


def picture_in_memory(image: "Image.Image") -> Frames:
    """A PIL image as `read_picture` reads the file that it would be."""
    return np.ascontiguousarray(turned(_pixels("the PIL image", image), *_orientation(image)))[None]


def animation_frames(path: Path | str) -> Iterator[tuple[float, float, Frames]]:
    """Begin and end in seconds of each frame of an animation, shown once, and its RGB (H, W, 3)."""
    with _open(path) as image:
        end = 0.0
        for seconds in _loaded_frames(image):
            begin, end = end, end + seconds
            yield begin, end, turned(_pixels(path, image), *_orientation(image))


def turned(pixels: Frames, swap: bool, mirror: bool, flip: bool) -> Frames:
    """A picture (H, W, 3) with its axes swapped, then mirrored left to right, then flipped upside down."""
    pixels = pixels.swapaxes(0, 1) if swap else pixels
    return pixels[:: -1 if flip else 1, :: -1 if mirror else 1]


@contextmanager
def _open(path: Path | str) -> Iterator["Image.Image"]:
    from PIL import Image

    name = picture_format(path)
    Image.preinit()
    if name not in Image.OPEN:
        Image.init()
    if name not in Image.OPEN:
        raise MediaError(path, "undecodable", f"Pillow reads no {name or 'such'} pictures here; save it as JPEG or PNG")
    try:
        with Path(path).open("rb") as file:
            # Not Image.open: it refuses or warns of large pictures before a JPEG can be read reduced.
            image = Image.OPEN[name][0](file, "")
            _bound_size(path, image)
            yield image
    except (*_PILLOW_ERRORS, Image.DecompressionBombError) as error:
        detail = f"{error or type(error).__name__}".splitlines()[0]
        raise MediaError(path, "undecodable", f"{name} picture: {detail}") from error


def _bound_size(path: Path | str, image: "Image.Image") -> None:
    """Have a large JPEG decoded at a half, a quarter or an eighth of its size, and refuse what stays too large."""
    width, height = image.size
    if image.format in ("JPEG", "MPO") and width * height > REDUCED_PIXELS and not image.info.get("progressive"):
        factor = next((factor for factor in (2, 4) if width * height <= REDUCED_PIXELS * factor**2), 8)
        image.draft(image.mode, (math.ceil(width / factor), math.ceil(height / factor)))
    if image.size[0] * image.size[1] > MAXIMUM_PIXELS:
        detail = f"{width} x {height} pixels; {MAXIMUM_PIXELS / 1e6:.0f} million are the most that are read"
        raise MediaError(path, "undecodable", f"{detail}; make it smaller")


def _pixels(path: Path | str, image: "Image.Image") -> Frames:
    """A loaded picture as RGB (H, W, 3), reduced when it is large, in the direction in which it is stored."""
    from PIL import Image

    image.load()
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(_deep_grey(path, image))
    width, height = image.size
    factor = math.ceil(math.sqrt(width * height / REDUCED_PIXELS))
    rows = max(1, STRIP_PIXELS // width) * factor
    strips = (image.crop((0, top, width, min(height, top + rows))) for top in range(0, height, rows))
    if height <= rows:
        return _rgb(image, factor)
    return np.concatenate([_rgb(strip, factor) for strip in strips])


def _rgb(image: "Image.Image", factor: int) -> Frames:
    from PIL import Image, ImageCms

    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        image = converted if converted is not None else image
    image = image.convert("RGB")
    return np.array(image if factor == 1 else image.reduce(factor))


def _deep_grey(path: Path | str, image: "Image.Image") -> Frames:
    """Grey levels (H, W) of a picture of 16-bit or 32-bit numbers."""
    values, ranges, inverted = _deep_values(image)
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise MediaError(path, "undecodable", "the picture holds values that are not finite")
    slack = 1 + (OVERSHOOT if image.mode == "F" else 0)
    full = next((full for full in ranges if high <= full * slack), None)
    unclear = full is None or (full != ranges[0] and high < full * BRIGHTEST_SHARE) or low < full * (1 - slack)
    if unclear or full is None:
        known = ", ".join(f"0 to {full:g}" for full in ranges)
        detail = f"the picture's values go from {low:g} to {high:g}, and only {known} can be shown"
        raise MediaError(path, "undecodable", f"{detail}; save it with 8 bits")
    grey = np.empty(values.shape, np.uint8)
    for row, line in zip(grey, values, strict=True):
        row[:] = np.clip(line * (255.0 / full) + 0.5, 0, 255)
    return np.invert(grey) if inverted else grey


def _deep_values(image: "Image.Image") -> tuple[NDArray[Any], list[float], bool]:
    """A deep picture's numbers (H, W), the ranges that they may fill, smallest first, and whether zero is white."""
    tags = getattr(image, "tag_v2", {})
    default = 16 if image.mode.startswith("I;16") or image.format == "PPM" else 32
    bits, signed = int(tags.get(_BITS, (default,))[0]), tags.get(_SAMPLE_FORMAT, (1,))[0] == 2
    inverted = bool(tags) and tags.get(_WHITE_IS_ZERO) == 0
    values = np.asarray(image)
    if image.mode == "F":
        return values, [1.0, 255.0, 65535.0], inverted
    full = 2.0 ** (bits - signed) - 1
    if image.mode != "I" or image.format == "PPM":
        return values, [full], inverted
    values = values if signed else values.view(np.uint32)
    return values, [*(usual for usual in (255.0, 65535.0) if usual < full), full], inverted


def _orientation(image: "Image.Image") -> tuple[bool, bool, bool]:
    """What EXIF says: swap the axes, mirror, flip; damaged EXIF says nothing, as in every viewer."""
    try:
        number = image.getexif().get(_ORIENTATION, 1)
    except _PILLOW_ERRORS:
        number = 1
    if number not in range(1, 9):
        return False, False, False
    return number > 4, (number - 1) % 4 in (1, 2), (number - 1) % 4 > 1


def _loaded_frames(image: "Image.Image") -> Iterator[float]:
    """Bring an animation to one frame after the other; yields how long each is shown, in seconds."""
    # Some PNG begin with a picture for viewers that know no animations.
    for index in range(1 if image.info.get("default_image") else 0, _frame_count(image)):
        image.seek(index)
        image.load()
        seconds = float(image.info.get("duration", 0)) / 1000
        yield seconds if seconds > SHORTEST_FRAME_SECONDS else USUAL_FRAME_SECONDS


def _frame_count(image: "Image.Image") -> int:
    return int(getattr(image, "n_frames", 1))
