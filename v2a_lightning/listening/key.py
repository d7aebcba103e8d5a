"""The key of a listening test: what each code in the page stands for. It stays with whoever holds the test."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write

FORMAT = 1

Role = Literal["system", "high", "low"]


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
        title: as raters see it.
        seed: of everything drawn.
        systems: their names.
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
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps({"test": self.test} | self._content(), indent=1) + "\n", encoding="utf-8")

    def _content(self) -> dict[str, Any]:
        # Through JSON once, so that tuples and lists are the same before writing and after reading.
        content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return {"format": FORMAT} | content


def read_key(path: Path) -> Key:
    """Read what `Key.write` wrote.

    Raises:
        UsageError: when the file is missing, no such file, or was changed.
    """
    if not path.is_file():
        raise UsageError(f"--key {path}: there is no such file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        test, version = content.pop("test"), content.pop("format")
        if version != FORMAT:
            raise UsageError(f"--key {path}: has format {version}, this version reads {FORMAT}")
        key = Key(
            systems=tuple(content.pop("systems")),
            asks=tuple(content.pop("asks")),
            sounds={code: Sound(**sound) for code, sound in content.pop("sounds").items()},
            blocks=tuple(tuple((pair[0], pair[1]) for pair in block) for block in content.pop("blocks")),
            **content,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"--key {path}: is no key of a listening test ({type(error).__name__}: {error})") from error
    if key.test != test:
        raise UsageError(f"--key {path}: was changed since the test was built; use the key as it was written")
    return key
