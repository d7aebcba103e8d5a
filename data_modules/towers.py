"""Whose embeddings a store holds: an encoder with what it is given, and the encoders that a run works with."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from v2a_lightning.encoders.base import SOLE

Kind = Literal["frames", "audio"]


@dataclass(frozen=True)
class Tower:
    """One encoder (its name, and a fingerprint of its weights and preprocessing) and what it is given: a spec's key.

    An embedding of a sound has `tokens` vectors.
    """

    kind: Kind
    encoder: str
    fingerprint: str
    spec: str
    tokens: int = 1

    @property
    def digest(self) -> str:
        """What two towers share exactly when their embeddings may be mixed."""
        return _digest([self.kind, self.fingerprint, self.spec] + [self.tokens] * (self.tokens != 1))

    @property
    def subfolder(self) -> str:
        """The tower's part of the store."""
        return f"{self.kind}-{self.digest}"

    @property
    def description(self) -> str:
        """For a shard's metadata; stores of one token are as they were before there were several."""
        content = asdict(self)
        return json.dumps({key: value for key, value in content.items() if (key, value) != ("tokens", 1)})

    @classmethod
    def described(cls, description: str) -> "Tower":
        """The encoder that a shard's metadata describes; ValueError when that is no description of one."""
        try:
            return cls(**json.loads(description))
        except (TypeError, ValueError) as error:
            raise ValueError(f"its encoder is described by {description[:200]}") from error

    def __str__(self) -> str:
        return f"{self.encoder} [{self.fingerprint[:12]}] on {self.spec}"


@dataclass(frozen=True)
class StoreSpec:
    """The embeddings that a run works with: one encoder of frames, or several by name, and one of targets."""

    frames: Tower | Mapping[str, Tower]
    audio: Tower | None = None

    @property
    def by_encoder(self) -> Mapping[str, Tower]:
        """The encoders of frames by name; one alone is named SOLE."""
        return {SOLE: self.frames} if isinstance(self.frames, Tower) else self.frames

    @property
    def towers(self) -> tuple[Tower, ...]:
        """The towers there are."""
        return (*self.by_encoder.values(), *([self.audio] if self.audio else []))

    @property
    def content(self) -> str:
        """Digest of what is encoded, whatever the encoders: clips are rejected for the former."""
        return _digest(list(dict.fromkeys(tower.spec for tower in self.towers)))

    @property
    def rejects(self) -> str:
        """Subfolder of the rejected clips."""
        return f"rejects-{self.content}"

    @property
    def compacted(self) -> str:
        """Name of the file of the embeddings in compacted form, whatever a run calls its encoders."""
        return f"compact-{_digest(sorted(tower.subfolder for tower in self.towers))}.safetensors"


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
