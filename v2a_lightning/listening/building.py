"""From folders of sounds to a page for raters and the key that stays at home."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.listening import stimuli
from v2a_lightning.listening.key import Key, Sound, read_key
from v2a_lightning.listening.loudness import level
from v2a_lightning.listening.plan import Folders, Plan, make_plan
from v2a_lightning.media import is_picture
from v2a_lightning.progress import progress
from v2a_lightning.randomness import clip_seed
from v2a_lightning.reports.pages import data_uri, render, write_page

PAGE_FILE, MEDIA_FOLDER = "index.html", "media"
TEMPLATES = Path(__file__).parent / "page"
KINDS = {".flac": "audio/flac", ".mp4": "video/mp4", ".jpg": "image/jpeg"}
# The loudness to set the volume by when sounds keep the loudness they came with.
USUAL_LOUDNESS = -23.0
CHECK_RATE = 24_000

# A file's name and content -> how the page reaches it.
Address = Callable[[str, bytes], str]


@dataclass(frozen=True)
class Settings:
    """How a test is built: the options of `listen build`, which explains them."""

    title: str
    contact: str
    clips: int
    anchors: int
    seconds: float | None
    loudness: float | None
    seed: int


def build_test(folders: Folders, settings: Settings, output: Path) -> tuple[Path, Path, Key]:
    """Write a test's page and key.

    Args:
        folders: the files.
        settings: how.
        output: a name ending in .html gets everything in that one file; any other is a folder with the page and its
            media beside it.

    Returns:
        The page; the key's file, which lies beside the page or the folder, never in it; the key.

    Raises:
        UsageError: when another test's key lies where this one's would, or the folder holds something else.
        MediaError: when a file cannot be read.
    """
    inline = output.suffix.lower() == ".html"
    beside: dict[str, bytes] = {}

    def address(name: str, content: bytes) -> str:
        if inline:
            return data_uri(content, KINDS[Path(name).suffix])
        beside[name] = content
        return f"{MEDIA_FOLDER}/{name}"

    plan = make_plan(folders, settings.clips, settings.anchors, settings.seed)
    sounds, played, pictures = _gather(plan, folders, settings, address)
    key = _key(plan, folders, settings, sounds)
    key_path = output.with_name(f"{output.stem if inline else output.name}.key.json")
    _check_free(output, key_path, key)
    page = output if inline else output / PAGE_FILE
    noise = stimuli.volume_check(USUAL_LOUDNESS if settings.loudness is None else settings.loudness, CHECK_RATE)
    # Everything a rater's browser gets: codes in a drawn order, and no name of a system.
    content = {
        "test": key.test,
        "title": settings.title,
        "contact": settings.contact,
        "asks": key.asks,
        "pictures": pictures,
        "sounds": {code: played[code] for code in key.sounds},
        "blocks": key.blocks,
        "check": address("volume.flac", stimuli.flac(noise, CHECK_RATE)),
    }
    for name, file in beside.items():
        with atomic_write(page.parent / MEDIA_FOLDER / name) as temporary:
            temporary.write_bytes(file)
    # A script element ends at the first "</", wherever that stands.
    text = json.dumps(content).replace("</", "<\\/")
    write_page(page, render("test.html", TEMPLATES, title=settings.title, content=text))
    key.write(key_path)
    return page, key_path, key


def _gather(
    plan: Plan, folders: Folders, settings: Settings, address: Address
) -> tuple[dict[str, Sound], dict[str, Any], dict[str, Any]]:
    """The key's view of the sounds, and the page's view of sounds and pictures, by code."""
    sounds, played, pictures = {}, {}, {}
    with progress("preparing clips", len(plan.clips)) as advance:
        for clip, code in plan.clips.items():
            own = {name: sound for name, sound in plan.sounds.items() if sound.clip_id == clip}
            prepared, rate, seconds = _prepare(own, settings)
            for name, (waveform, gain) in prepared.items():
                sounds[name] = replace(plan.sounds[name], gain_db=round(gain, 2))
                source = address(f"{name}.flac", stimuli.flac(waveform, rate))
                played[name] = {"clip": code, "source": source, "seconds": round(seconds, 3)}
            if clip in folders.media:
                pictures[code] = _picture(folders.media[clip], code, seconds, address)
            advance(1)
    return sounds, played, pictures


def _prepare(
    sounds: dict[str, Sound], settings: Settings
) -> tuple[dict[str, tuple[stimuli.Waveform, float]], int, float]:
    """Code -> a clip's sound as it is played and its gain in decibels; their sample rate; their seconds."""
    read, rate = stimuli.read_sounds({code: Path(sound.source) for code, sound in sounds.items()}, settings.seconds)
    prepared = {}
    for code, waveform in read.items():
        if sounds[code].role == "low":
            waveform = stimuli.low_anchor(waveform, rate, clip_seed(settings.seed, sounds[code].clip_id))
        prepared[code] = (waveform, 0.0) if settings.loudness is None else level(waveform, rate, settings.loudness)
    return prepared, rate, len(next(iter(read.values()))) / rate


def _picture(path: Path, code: str, seconds: float, address: Address) -> dict[str, str]:
    if is_picture(path):
        return {"kind": "still", "source": address(f"{code}.jpg", stimuli.picture(path))}
    return {"kind": "video", "source": address(f"{code}.mp4", stimuli.silent_video(path, seconds))}


def _key(plan: Plan, folders: Folders, settings: Settings, sounds: dict[str, Sound]) -> Key:
    return Key(
        title=settings.title,
        seed=settings.seed,
        systems=tuple(folders.systems),
        asks=("fidelity", "relevance") if folders.media else ("fidelity",),
        clips=plan.clips,
        sounds={code: sounds[code] for code in plan.sounds},
        blocks=plan.blocks,
        settings={"loudness_lufs": settings.loudness, "longest_seconds": settings.seconds, "anchors": settings.anchors},
    )


def _check_free(output: Path, key_path: Path, key: Key) -> None:
    if key_path.exists():
        if read_key(key_path).test != key.test:
            raise UsageError(
                f"{key_path} is the key of another test, without which its answers cannot be read; choose another "
                "--output"
            )
    elif output.is_file():
        raise UsageError(f"--output {output} is there and is no listening test's page; choose another")
    elif output.is_dir() and any(output.iterdir()):
        raise UsageError(f"--output {output}: the folder is not empty; choose another, raters get all that is in it")
