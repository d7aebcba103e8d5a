"""From folders of sounds to a page for raters and the key that stays at home."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.listening import stimuli
from v2a_lightning.listening.key import Key, Sound, read_key
from v2a_lightning.listening.loudness import level
from v2a_lightning.listening.pages import render
from v2a_lightning.listening.plan import Folders, Plan, make_plan
from v2a_lightning.randomness import clip_seed

PAGE_FILE = "index.html"
MEDIA_FOLDER = "media"
# Where the volume is set when sounds keep the loudness they came with.
USUAL_LOUDNESS = -23.0
CHECK_RATE = 24_000

# A file's name and content -> how the page reaches it.
Address = Callable[[str, bytes], str]


@dataclass(frozen=True)
class Settings:
    """How a test is built.

    Args:
        title: as raters see it.
        contact: what raters do with their answers.
        clips: how many are taken.
        anchors: clips with hidden anchors.
        seconds: of each sound at most.
        loudness: of all sounds, in LUFS; None leaves them as they are.
        seed: of everything drawn.
    """

    title: str
    contact: str
    clips: int
    anchors: int
    seconds: float | None
    loudness: float | None
    seed: int


@dataclass
class _Materials:
    """What the page shows and plays; `sounds` is the key's view of it."""

    sounds: dict[str, Sound] = field(default_factory=dict)
    heard: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, dict[str, str]] = field(default_factory=dict)


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
    address = _data_uri if inline else _remembering(beside)
    plan = make_plan(folders, settings.clips, settings.anchors, settings.seed)
    materials = _gather(plan, folders, settings, address)
    key = _key(plan, folders, settings, materials)
    key_path = output.with_name(f"{output.stem if inline else output.name}.key.json")
    _check_free(output, key_path, key)
    page = output if inline else output / PAGE_FILE
    _write_page(_page_content(key, plan, settings, materials, address), beside, page)
    key.write(key_path)
    return page, key_path, key


def _gather(plan: Plan, folders: Folders, settings: Settings, address: Address) -> _Materials:
    materials = _Materials()
    for clip, code in plan.clips.items():
        own = {name: sound for name, sound in plan.sounds.items() if sound.clip_id == clip}
        prepared, rate, seconds = _prepare(own, settings)
        for name, (wave, gain) in prepared.items():
            materials.sounds[name] = replace(plan.sounds[name], gain_db=round(gain, 2))
            source = address(f"{name}.flac", stimuli.flac(wave, rate))
            materials.heard[name] = {"clip": code, "source": source, "seconds": round(seconds, 3)}
        if clip in folders.media:
            materials.pictures[code] = _picture(folders.media[clip], code, seconds, address)
    return materials


def _prepare(sounds: dict[str, Sound], settings: Settings) -> tuple[dict[str, tuple[stimuli.Wave, float]], int, float]:
    """Code -> a clip's sound as it is heard and its gain in decibels; their sample rate; their seconds."""
    waves, rate = stimuli.read_sounds({code: Path(sound.source) for code, sound in sounds.items()}, settings.seconds)
    prepared = {}
    for code, wave in waves.items():
        if sounds[code].role == "low":
            wave = stimuli.low_anchor(wave, rate, clip_seed(settings.seed, sounds[code].clip_id))
        prepared[code] = (wave, 0.0) if settings.loudness is None else level(wave, rate, settings.loudness)
    return prepared, rate, len(next(iter(waves.values()))) / rate


def _picture(path: Path, code: str, seconds: float, address: Address) -> dict[str, str]:
    if stimuli.is_film(path):
        return {"kind": "film", "source": address(f"{code}.mp4", stimuli.film(path, seconds))}
    return {"kind": "still", "source": address(f"{code}.jpg", stimuli.picture(path))}


def _key(plan: Plan, folders: Folders, settings: Settings, materials: _Materials) -> Key:
    return Key(
        title=settings.title,
        seed=settings.seed,
        systems=tuple(folders.systems),
        asks=("fidelity", "relevance") if folders.media else ("fidelity",),
        clips=plan.clips,
        sounds={code: materials.sounds[code] for code in plan.sounds},
        blocks=plan.blocks,
        settings={"loudness_lufs": settings.loudness, "longest_seconds": settings.seconds, "anchors": settings.anchors},
    )


def _page_content(key: Key, plan: Plan, settings: Settings, materials: _Materials, address: Address) -> dict[str, Any]:
    """All a rater's browser is told: codes in a drawn order, and no name of a system."""
    noise = stimuli.volume_check(USUAL_LOUDNESS if settings.loudness is None else settings.loudness, CHECK_RATE)
    return {
        "test": key.test,
        "title": settings.title,
        "contact": settings.contact,
        "asks": key.asks,
        "pictures": materials.pictures,
        "sounds": {code: materials.heard[code] for code in plan.sounds},
        "blocks": plan.blocks,
        "check": address("volume.flac", stimuli.flac(noise, CHECK_RATE)),
    }


def _check_free(output: Path, key_path: Path, key: Key) -> None:
    if key_path.exists() and read_key(key_path).test != key.test:
        raise UsageError(
            f"{key_path} is the key of another test, without which its answers cannot be read; choose another --output"
        )
    if not key_path.exists() and output.is_file():
        raise UsageError(f"--output {output} is there and is no listening test's page; choose another")
    if not key_path.exists() and output.is_dir() and any(output.iterdir()):
        raise UsageError(f"--output {output}: the folder is not empty; choose another, raters get all that is in it")


def _write_page(content: dict[str, Any], beside: dict[str, bytes], path: Path) -> None:
    for name, file in beside.items():
        with atomic_write(path.parent / MEDIA_FOLDER / name) as temporary:
            temporary.write_bytes(file)
    # A script element ends at the first "</", wherever that stands.
    text = json.dumps(content).replace("</", "<\\/")
    with atomic_write(path) as temporary:
        temporary.write_text(render("test.html", title=content["title"], content=text), encoding="utf-8")


def _data_uri(name: str, content: bytes) -> str:
    from v2a_lightning.reports.pictures import data_uri

    kinds = {".flac": "audio/flac", ".mp4": "video/mp4", ".jpg": "image/jpeg"}
    return data_uri(content, kinds[Path(name).suffix])


def _remembering(files: dict[str, bytes]) -> Address:
    def address(name: str, content: bytes) -> str:
        files[name] = content
        return f"{MEDIA_FOLDER}/{name}"

    return address
