"""Pages that are one file each and open anywhere: sounds, pictures and spectrograms stand in them as data URIs."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from v2a_lightning.evaluation.extractors.frontends import power_spectrogram, slaney_mel_matrix
from v2a_lightning.evaluation.metric import Number
from v2a_lightning.files import atomic_write
from v2a_lightning.reports.tables import Table, number

Waveform = NDArray[np.float32]

REPORT_FILE = "report.html"
TRUE_SOUND = "True sound"
FLOOR = (
    "The floor is the distance between two halves of the clips' own sounds. A score below it shows that sounds follow "
    "their own clips, and no longer whose sounds are truer; the fewer clips, the higher it is."
)
BADGES = {"miniature": "miniature world: figures do not compare with real data"}
TEMPLATES = Path(__file__).parent / "templates"
# A spectrogram shows this many decibels below the loudest point of the sounds it is compared with.
RANGE_DB = 70.0
MEL_BANDS = 96
WINDOW = 1024
LOWEST_HERTZ = 40.0


@dataclass(frozen=True)
class Sound:
    """A player and its spectrogram, as URIs.

    Args:
        title: what it is.
        source: the sound.
        picture: the spectrogram.
        seconds: its length.
        kilohertz: the highest tone of the spectrogram.
    """

    title: str
    source: str
    picture: str
    seconds: float
    kilohertz: float


@dataclass(frozen=True)
class Item:
    """A clip or a pair of clips, and the sounds that go with it.

    Args:
        title: what it is.
        sounds: in the order in which they are shown.
        frames: pictures as URIs.
        code: an id.
        facts: a line of figures.
        missing: why any of its files is not shown.
    """

    title: str
    sounds: Sequence[Sound]
    frames: Sequence[str] = ()
    code: str = ""
    facts: str = ""
    missing: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    entries: Sequence[Item] = field(default_factory=tuple)
    note: str = ""


@dataclass(frozen=True)
class Tile:
    """A score in large figures, in small ones what it is to be compared with, and a note for who points at it."""

    measure: Number
    value: float
    beside: str = ""
    note: str = ""


def render(template: str, folder: Path = TEMPLATES, **values: Any) -> str:
    """A page from a template of a folder, with the style that all pages share inside it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader([folder, TEMPLATES]), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(template).render(**values)


def write_page(path: Path, text: str) -> Path:
    """Write a page."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_sounds_page(
    path: Path,
    title: str,
    introduction: str,
    label: str,
    sections: Sequence[Section],
    tiles: Sequence[Tile] = (),
    tables: Sequence[Table] = (),
    details: Sequence[Table] = (),
    notes: Sequence[str] = (),
) -> Path:
    """Write a page of sounds.

    Args:
        path: of the page.
        title, introduction: its head.
        label: of the extractors, "miniature" or "".
        sections: clips with their sounds.
        tiles: scores.
        tables: above the sounds.
        details: below them, folded but for those of classes and of settings.
        notes: what is to be known of the scores.
    """
    head = {"title": title, "introduction": introduction, "badge": BADGES.get(label, "")}
    figures = {"tiles": tiles, "tables": tables, "details": details, "notes": notes}
    return write_page(path, render("sounds.html", **head, **figures, sections=list(sections), number=number))


def players(waveforms: Mapping[str, Waveform], sample_rate: int) -> list[Sound]:
    """Waveforms (N,) by title, with their spectrograms on one scale."""
    arrays = [np.asarray(waveform, np.float32) for waveform in waveforms.values()]
    pictures = spectrograms(arrays, sample_rate)
    return [
        Sound(
            title,
            sound_uri(waveform, sample_rate),
            picture_uri(picture, "PNG"),
            len(waveform) / sample_rate,
            sample_rate / 2000,
        )
        for title, waveform, picture in zip(waveforms, arrays, pictures, strict=True)
    ]


def data_uri(content: bytes, kind: str) -> str:
    """`content` inlined as a URI of a MIME type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def sound_uri(waveform: Waveform, sample_rate: int) -> str:
    """A waveform (N,) as a player's source: FLAC, which loses nothing and takes about half the space."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(waveform, -1.0, 1.0), sample_rate, format="FLAC", subtype="PCM_16")
    return data_uri(buffer.getvalue(), "audio/flac")


def log_mel(waveform: Waveform, sample_rate: int) -> NDArray[np.float32]:
    """Log-mel spectrogram in decibels (MEL_BANDS, columns), about 400 columns; a short sound is filled with silence."""
    hop = max(64, len(waveform) // 400)
    filled = np.pad(waveform, (0, max(0, WINDOW - len(waveform))))
    power = power_spectrogram(torch.from_numpy(np.ascontiguousarray(filled, np.float32))[None], WINDOW, hop)[0]
    mel = power @ torch.from_numpy(_mel_matrix(sample_rate))
    return np.asarray(10.0 * torch.log10(mel.clamp_min(1e-10)).T)


@lru_cache(maxsize=4)
def _mel_matrix(sample_rate: int) -> NDArray[np.float32]:
    return slaney_mel_matrix(sample_rate, WINDOW, MEL_BANDS, LOWEST_HERTZ, sample_rate / 2)


def spectrograms(waveforms: Sequence[Waveform], sample_rate: int) -> list[NDArray[np.uint8]]:
    """Log-mels of waveforms (N,) as pictures (bands, columns, 3), low tones at the bottom.

    They have one scale, from RANGE_DB below the loudest tone up to it, so that a quieter sound looks quieter.
    """
    from matplotlib import colormaps

    decibels = [log_mel(waveform, sample_rate)[::-1] for waveform in waveforms]
    loudest = float(max(one.max() for one in decibels))
    shades = [np.clip((one - loudest + RANGE_DB) / RANGE_DB, 0.0, 1.0) for one in decibels]
    return [(colormaps["magma"](shade)[..., :3] * 255).astype(np.uint8) for shade in shades]


def picture_uri(pixels: NDArray[np.uint8], kind: str = "JPEG") -> str:
    """RGB pixels (H, W, 3) as a PNG or JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 82} if kind == "JPEG" else {"optimize": True}))
    return data_uri(buffer.getvalue(), f"image/{kind.lower()}")


def strip_uris(frames: NDArray[np.uint8], count: int = 6, height: int = 144) -> list[str]:
    """`strip` as URIs."""
    return [picture_uri(picture) for picture in strip(frames, count, height)]


def strip(frames: NDArray[np.uint8], count: int = 6, height: int = 144) -> list[NDArray[np.uint8]]:
    """`count` frames spread over a clip (T, H, W, 3), at most `height` pixels high."""
    from PIL import Image

    pictures = []
    for index in np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)):
        image = Image.fromarray(frames[index])
        if image.height > height:
            image = image.resize((max(1, round(image.width * height / image.height)), height))
        pictures.append(np.asarray(image))
    return pictures
