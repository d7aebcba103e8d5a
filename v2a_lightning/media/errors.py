"""Why a file could not be used: one reason from a closed list, so that reasons can be counted."""

from pathlib import Path
from typing import Any, Literal

from v2a_lightning.errors import RunFailure

Reason = Literal[
    "missing",
    "no_video",
    "no_audio",
    "silent",
    "not_finite",
    "still",
    "short",
    "undecodable",
    "unreachable",
    "timeout",
    "killed",
    "duplicate",
]
PASSING: frozenset[Reason] = frozenset({"unreachable", "timeout", "killed"})
"""Reasons that say more about the machine or the network than about the file: it is tried again the next time."""


class MediaError(RunFailure):
    """A media file cannot be used: `reason` is one of `Reason`, `detail` what was found, in a few words."""

    def __init__(self, path: Any, reason: Reason, detail: str = "") -> None:
        # A file that is no plain one of this machine says itself what it is called.
        self.path = Path(path) if isinstance(path, str) else path
        self.reason: Reason = reason
        self.detail = detail
        super().__init__(f"{path}: {reason}{f' ({detail})' if detail else ''}")

    def __reduce__(self) -> tuple[type["MediaError"], tuple[Any, Reason, str]]:
        return type(self), (self.path, self.reason, self.detail)
