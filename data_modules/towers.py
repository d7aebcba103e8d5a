"""Whose embeddings a store holds: an encoder with what it is shown, and the encoders that a run works with."""

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Literal

Kind = Literal["frames", "audio"]


@dataclass(frozen=True)
class Tower:
    """One encoder and what it is shown.

    Args:
        kind: what it embeds.
        encoder: its name, for people.
        fingerprint: of its weights and preprocessing.
        spec: key of the FrameSpec or AudioSpec.
    """

    kind: Kind
    encoder: str
    fingerprint: str
    spec: str

    @property
    def digest(self) -> str:
        """What two towers share exactly when their embeddings may be mixed."""
        identity = json.dumps([self.kind, self.fingerprint, self.spec])
        return hashlib.sha256(identity.encode()).hexdigest()[:12]

    @property
    def subfolder(self) -> str:
        """The tower's part of the store."""
        return f"{self.kind}-{self.digest}"

    @classmethod
    def described(cls, description: str) -> "Tower":
        """The encoder that a shard's metadata describes.

        Raises:
            ValueError: when that is no description of one.
        """
        content = json.loads(description)
        names = [field.name for field in fields(cls)]
        if not isinstance(content, dict) or sorted(content) != sorted(names):
            raise ValueError(f"its encoder is described by {description[:200]}, and {', '.join(names)} are expected")
        if content["kind"] not in ("frames", "audio") or not all(isinstance(one, str) for one in content.values()):
            raise ValueError(f"its encoder is described by {description[:200]}")
        return cls(**content)

    def __str__(self) -> str:
        return f"{self.encoder} [{self.fingerprint[:12]}] on {self.spec}"


@dataclass(frozen=True)
class StoreSpec:
    """The embeddings that a run works with. `audio` is None for clips without sound."""

    frames: Tower
    audio: Tower | None = None

    @property
    def towers(self) -> tuple[Tower, ...]:
        """The towers there are."""
        return (self.frames,) if self.audio is None else (self.frames, self.audio)

    @property
    def content(self) -> str:
        """Digest of what is looked at, whoever looks: clips are rejected for the former."""
        key = json.dumps([tower.spec for tower in self.towers])
        return hashlib.sha256(key.encode()).hexdigest()[:12]

    @property
    def rejects(self) -> str:
        """Subfolder of the rejected clips."""
        return f"rejects-{self.content}"
