"""The key of a listening test: what each code in the page stands for. It stays with whoever holds the test."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from v2a_lightning.errors import UsageError
from v2a_lightning.json_files import one_line, read_json, write_json

FORMAT = 1
WHAT = "key of a listening test"

Role = Literal["system", "high", "low"]
ROLES = get_args(Role)
SOUND_FORM = {"clip_id": str, "role": str, "system": str, "source": str, "gain_db": float}
FORM = {
    "format": int, "test": str, "title": str, "seed": int, "systems": [str], "asks": [str], "clips": {str: str},
    "sounds": {str: SOUND_FORM}, "blocks": [[[str]]], "settings": dict,
}  # fmt: skip


@dataclass(frozen=True)
class Sound:
    """What a code stands for.

    Args:
        clip_id: the clip whose picture is shown with it.
        role: a system's sound, or a hidden anchor: the clip's own sound ("high"), a wrong and spoilt one ("low").
        system: the system's name; empty for anchors.
        source: the file it was made from.
        gain_db: decibels it was raised by to bring it to the test's loudness.
    """

    clip_id: str
    role: Role
    system: str
    source: str
    gain_db: float = 0.0

    @property
    def name(self) -> str:
        """The system's name, or what the anchor is."""
        return self.system if self.role == "system" else f"{self.role} anchor"


@dataclass(frozen=True)
class Key:
    """A listening test without its sounds.

    Args:
        asks: what is rated on five points: "fidelity", and "relevance" where there is a picture.
        clips: clip id -> code in the page.
        sounds: code in the page -> what it stands for.
        blocks: lists of pairs of codes; a rater prefers one of each pair of one block.
        settings: everything else that was decided when the test was built.
    """

    title: str
    seed: int
    systems: tuple[str, ...]
    asks: tuple[str, ...]
    clips: dict[str, str]
    sounds: dict[str, Sound]
    blocks: tuple[tuple[tuple[str, str], ...], ...]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def test(self) -> str:
        """Twelve digits that page, answers and key share, and no other test has."""
        return hashlib.sha256(json.dumps(self._content(), sort_keys=True).encode()).hexdigest()[:12]

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_json(path, {"test": self.test} | self._content())

    def _content(self) -> dict[str, Any]:
        return {"format": FORMAT} | dataclasses.asdict(self)


def read_key(path: Path) -> Key:
    """Read what `Key.write` wrote.

    Raises:
        UsageError: when the file is missing, no such file, or was changed.
    """
    try:
        content = read_json(path, FORM, WHAT)
        if content["format"] != FORMAT:
            raise UsageError(f"{path}: has format {content['format']}, this version reads {FORMAT}")
        key = _key(content)
    except ValueError as error:
        raise UsageError(f"--key {path}: is no {WHAT} ({one_line(error)})") from error
    except UsageError as error:
        raise UsageError(f"--key {error}") from error
    if key.test != content["test"]:
        raise UsageError(f"--key {path}: was changed since the test was built; use the key as it was written")
    return key


def _key(content: dict[str, Any]) -> Key:
    """The key from its JSON.

    Raises:
        ValueError: when the JSON is none of a key.
    """
    if strange := sorted(content.keys() - FORM.keys()):
        raise ValueError(f"there is no {strange[0]!r} in a key")
    for code, sound in content["sounds"].items():
        if strange := sorted(sound.keys() - SOUND_FORM.keys()):
            raise ValueError(f"sounds.{code} has no {strange[0]!r}")
        if sound["role"] not in ROLES or sound["clip_id"] not in content["clips"]:
            raise ValueError(f"sounds.{code} is no sound of a clip of the test")
        if sound["role"] == "system" and sound["system"] not in content["systems"]:
            raise ValueError(f"sounds.{code} is of {sound['system']!r}, which is no system of the test")
    for block in content["blocks"]:
        for pair in block:
            if len(pair) != 2 or not content["sounds"].keys() >= set(pair):
                raise ValueError(f"a pair of blocks is {pair!r}, not two codes of sounds")
    return Key(
        content["title"],
        content["seed"],
        tuple(content["systems"]),
        tuple(content["asks"]),
        content["clips"],
        {code: Sound(**sound) for code, sound in content["sounds"].items()},
        tuple(tuple((first, second) for first, second in block) for block in content["blocks"]),
        content["settings"],
    )
