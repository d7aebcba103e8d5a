"""Pages of sounds to listen to: one file each, that opens anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from v2a_lightning import reports
from v2a_lightning.files import atomic_write
from v2a_lightning.reports.pictures import Wave, log_mel, sound_uri, spectrogram_uri

BADGES = {"miniature": "miniature world: figures do not compare with real data"}


@dataclass(frozen=True)
class Sound:
    """A player and its spectrogram, as URIs."""

    title: str
    source: str
    picture: str


@dataclass(frozen=True)
class Item:
    """Something seen, and the sounds that go with it.

    Args:
        title: what it is.
        sounds: in the order in which they are shown.
        frames: pictures as URIs.
        code: an id.
        facts: a line of figures.
    """

    title: str
    sounds: Sequence[Sound]
    frames: Sequence[str] = ()
    code: str = ""
    facts: str = ""


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    entries: Sequence[Item] = field(default_factory=tuple)
    note: str = ""


def players(waves: Mapping[str, Wave], sample_rate: int) -> list[Sound]:
    """Waves (N,) by title, their spectrograms on one scale of loudness."""
    pictures = {title: log_mel(np.asarray(wave, np.float32), sample_rate) for title, wave in waves.items()}
    loudest = float(max(picture.max() for picture in pictures.values()))
    return [
        Sound(title, sound_uri(np.asarray(wave, np.float32), sample_rate), spectrogram_uri(pictures[title], loudest))
        for title, wave in waves.items()
    ]


def write_page(path: Path, title: str, introduction: str, label: str, sections: Sequence[Section]) -> Path:
    """Write a page; `label` is that of the extractors, "miniature" or ""."""
    page = _template().render(
        title=title, introduction=introduction, badge=BADGES.get(label, ""), sections=list(sections)
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    assert reports.__file__ is not None
    folders = [Path(__file__).parent / "templates", Path(reports.__file__).parent / "templates"]
    environment = Environment(loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("sounds.html")
